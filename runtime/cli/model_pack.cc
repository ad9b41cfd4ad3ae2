// muster model pack
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "registry/files/edge_pack.h"
#include "runtime/base/file.h"
#include "runtime/cli/context.h"
#include "runtime/cli/model_compress.h"
#include "runtime/cli/model_fetch.h"
#include "runtime/cli/model_output.h"
#include "runtime/modules/engines.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

struct PackFlags {
  std::string model, platform = "edge", form, out, key;
};

/// The version whose form is wanted: `model` itself, or one that the server makes of it.
Result<std::string> ModelOfForm(const Context& context, const PackFlags& flags) {
  if (flags.form.empty()) return flags.model;
  MUSTER_ASSIGN_OR_RETURN(const ModelReference reference, ParseModelReference(flags.model));
  MUSTER_ASSIGN_OR_RETURN(auto answer, CompressVersion(context, reference, {{"form", flags.form}}));
  MUSTER_ASSIGN_OR_RETURN(const auto version, wire::FromJson<std::int64_t>(answer["version"]));
  if (version == 0) return Conflict("no version was made: " + Text(answer, "reason"));
  return reference.name + "/" + std::to_string(version);
}

/// "full" unless the registry has the version as a compressed one.
Result<std::string> FormOf(const Context& context, const std::string& model,
                           const registry::serve::ModelLocation& location) {
  std::error_code code;
  if (fs::is_directory(model, code)) return std::string("full");
  MUSTER_ASSIGN_OR_RETURN(auto client, context.Connect());
  MUSTER_ASSIGN_OR_RETURN(
      const auto answer,
      client.Json("GET",
                  ModelPath(location.name, "/versions/" + std::to_string(location.version))));
  MUSTER_ASSIGN_OR_RETURN(auto version, wire::FromJson<boost::json::object>(answer));
  MUSTER_ASSIGN_OR_RETURN(auto tags, wire::FromJson<boost::json::object>(version["tags"]));
  const std::string form = Text(tags, "form");
  return form.empty() ? "full" : form;
}

/// A version of the registry's is signed with a key that is there, which devices may know; a folder also with a new one.
Result<registry::ModelKey> Key(const Context& context, const PackFlags& flags) {
  std::error_code code;
  const fs::path file =
      flags.key.empty() ? context.Home() / "keys/model-signing.pem" : fs::path(flags.key);
  if (!fs::exists(file, code) && (!flags.key.empty() || !fs::is_directory(flags.model, code))) {
    return NotFound("there is no signing key " + file.string() +
                    "; pack where the server's home is, or name the key with --key");
  }
  fs::create_directories(file.parent_path(), code);
  return registry::ModelKey::LoadOrMake(file);
}

Result<boost::json::object> DoPack(const Context& context, const PackFlags& flags) {
  if (flags.platform != "edge") {
    return Invalid("there is no pack for '" + flags.platform +
                   "'; wanted edge ('muster model export' knows other platforms)");
  }
  MUSTER_ASSIGN_OR_RETURN(const registry::ModelKey key, Key(context, flags));
  MUSTER_ASSIGN_OR_RETURN(const std::string model, ModelOfForm(context, flags));
  MUSTER_ASSIGN_OR_RETURN(const auto source, MakeModelSource(context, model));
  MUSTER_ASSIGN_OR_RETURN(const auto location, source->Current());
  const fs::path modules = context.program.parent_path();
  const auto engine = modules::MakeOpenVinoEngine(modules);
  MUSTER_ASSIGN_OR_RETURN(const auto loaded, engine->Load(location.directory / "model.onnx", 1));
  registry::EdgePack pack{{location.directory, location.name, location.version}, {}, {}};
  MUSTER_ASSIGN_OR_RETURN(pack.engine_folder, modules::OpenVinoFolder(modules));
  auto& manifest = pack.manifest;
  manifest.model = location.name;
  manifest.version = location.version;
  MUSTER_ASSIGN_OR_RETURN(manifest.form, FormOf(context, model, location));
  const auto bom = ReadWholeFile(location.directory / "ml-bom.json");
  if (bom.ok()) manifest.task = registry::TaskOfMlBom(*bom);
  manifest.engine = engine->name();
  manifest.inputs = loaded->inputs();
  manifest.outputs = loaded->outputs();
  MUSTER_ASSIGN_OR_RETURN(const auto packed, registry::PackForEdge(pack, key, flags.out));
  return boost::json::object{{"model", location.name}, {"version", location.version},
                             {"form", manifest.form},  {"out", flags.out},
                             {"bytes", packed.bytes},  {"runtime_bytes", packed.runtime_bytes}};
}

int Pack(const Context& context, const PackFlags& flags) {
  const auto packed = DoPack(context, flags);
  if (!packed.ok()) return Fail(context, packed.error());
  if (PrintJson(context, *packed)) return kDone;
  const auto mib = [&](const char* key) {
    return Short(packed->at(key).to_number<double>() / (1 << 20)) + " MiB";
  };
  std::cout << Text(*packed, "model") << " version "
            << packed->at("version").to_number<std::int64_t>() << " (" << Text(*packed, "form")
            << ") is in " << flags.out << ": " << mib("bytes") << ", of which "
            << mib("runtime_bytes") << " are the engine\n"
            << "cmake -S " << flags.out << " -B build && cmake --build build builds the example; "
            << "muster model verify --public-key KEY " << flags.out << " checks it\n";
  return kDone;
}

}  // namespace

void AddModelPack(CLI::App& model, Context& context) {
  auto* command = model.add_subcommand(
      "pack", "Write a version, the engine's runtime and an example as one directory for devices");
  auto flags = std::make_shared<PackFlags>();
  command->add_option("model", flags->model, "NAME@ALIAS, NAME/VERSION or a version's folder")
      ->required();
  command->add_option("--for", flags->platform, "edge")->capture_default_str();
  command->add_option("--form", flags->form,
                      "Make this smaller form of it first, as 'muster model compress' does "
                      "(default: the version as it is)");
  command->add_option("--out", flags->out, "The folder to write")->required();
  command->add_option("--key", flags->key,
                      "What it is signed with (default: keys/model-signing.pem of the home)");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Pack(context, *flags); }; });
}

}  // namespace muster::cli
