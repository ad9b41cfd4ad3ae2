// muster fleet publish, show
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "registry/files/model_key.h"
#include "registry/files/signed_directory.h"
#include "registry/fleet/manifest.h"
#include "runtime/cli/context.h"
#include "runtime/cli/fleet_pull.h"
#include "runtime/cli/model_fetch.h"
#include "runtime/cli/model_output.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;
using registry::FleetManifest;

struct PublishFlags {
  std::string model, reason, key;
  double percent = 0;
};

std::string FleetPath(const std::string& name) {
  return "/api/muster/v1/fleet/" + http::PercentEncode(name);
}

/// An empty one, of sequence 0, when nothing was published.
Result<FleetManifest> Published(http::Client& client, const std::string& name) {
  const auto answer = client.Json("GET", FleetPath(name));
  if (!answer.ok() && answer.error().kind == ErrorKind::kNotFound) {
    FleetManifest none;
    none.model = name;
    return none;
  }
  if (!answer.ok()) return answer.error();
  MUSTER_ASSIGN_OR_RETURN(const auto parts,
                          registry::ParseFleetEnvelope(wire::SerializeJson(*answer)));
  return registry::FleetManifestFromJson(parts.payload);
}

/// All files of a version, the signature too, by the addresses of the artifact proxy.
Result<registry::FleetVersion> VersionFiles(http::Client& client, const std::string& name,
                                            const registry::serve::ModelLocation& location) {
  MUSTER_ASSIGN_OR_RETURN(
      const auto answer,
      client.Json("GET", ModelPath(name, "/versions/" + std::to_string(location.version))));
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<boost::json::object>(answer));
  const std::string root = Text(fields, "source").substr(std::string("mlflow-artifacts:/").size());
  registry::FleetVersion version{location.version, 0, {}};
  MUSTER_ASSIGN_OR_RETURN(auto files, registry::DigestFiles(location.directory));
  std::error_code code;
  const std::string signature(registry::kSignatureFile);
  if (fs::exists(location.directory / signature, code)) files.push_back({signature, ""});
  for (const auto& file : files) {
    MUSTER_ASSIGN_OR_RETURN(const auto digest,
                            registry::DigestFile(location.directory / file.name));
    version.files.push_back({file.name, digest.bytes, digest.sha256,
                             "/api/2.0/mlflow-artifacts/artifacts/" +
                                 http::PercentEncode(root + "/" + file.name, true)});
  }
  return version;
}

Result<FleetManifest> DoPublish(const Context& context, const PublishFlags& flags) {
  MUSTER_ASSIGN_OR_RETURN(const ModelReference reference, ParseModelReference(flags.model));
  const fs::path file =
      flags.key.empty() ? context.Home() / "keys/model-signing.pem" : fs::path(flags.key);
  std::error_code code;
  if (!fs::exists(file, code)) {
    return NotFound("there is no signing key " + file.string() +
                    "; publish where the server's home is, or name the key with --key");
  }
  MUSTER_ASSIGN_OR_RETURN(const auto key, registry::ModelKey::LoadOrMake(file));
  MUSTER_ASSIGN_OR_RETURN(auto client, context.Connect());
  MUSTER_ASSIGN_OR_RETURN(const auto location,
                          FetchModel(client, reference, context.Home() / "serving"));
  MUSTER_ASSIGN_OR_RETURN(const auto current, Published(client, reference.name));
  MUSTER_ASSIGN_OR_RETURN(const auto wanted, VersionFiles(client, reference.name, location));
  MUSTER_ASSIGN_OR_RETURN(FleetManifest next,
                          registry::NextFleetManifest(current, wanted, flags.percent));
  const std::string payload = registry::ToJson(next);
  MUSTER_ASSIGN_OR_RETURN(const std::string signature,
                          key.Sign(registry::FleetSignedBytes(payload)));
  const boost::json::object body{
      {"envelope",
       registry::FleetEnvelope(payload, signature, registry::KeyHint(key.public_key_pem()))},
      {"reason", flags.reason},
      {"actor", context.user}};
  MUSTER_ASSIGN_OR_RETURN(const auto answer, client.Json("POST", FleetPath(reference.name), body));
  return next;
}

int Show(const Context& context, const FleetManifest& manifest) {
  boost::json::array versions;
  for (const auto& version : manifest.versions) {
    versions.push_back(
        boost::json::object{{"version", version.version}, {"percent", version.percent}});
  }
  const boost::json::object answer{{"model", manifest.model},
                                   {"sequence", manifest.sequence},
                                   {"versions", std::move(versions)}};
  if (PrintJson(context, answer)) return kDone;
  double before = 0;
  std::cout << manifest.model << ", manifest " << manifest.sequence << ":";
  for (const auto& version : manifest.versions) {
    std::cout << " version " << version.version << " on " << Short(version.percent - before)
              << " % of the devices";
    before = version.percent;
    std::cout << (&version == &manifest.versions.back() ? "" : ",");
  }
  std::cout << "\n";
  return kDone;
}

int Publish(const Context& context, const PublishFlags& flags) {
  const auto published = DoPublish(context, flags);
  return published.ok() ? Show(context, *published) : Fail(context, published.error());
}

int ShowFleet(const Context& context, const std::string& name) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  const auto manifest = Published(*client, name);
  if (!manifest.ok()) return Fail(context, manifest.error());
  if (manifest->sequence == 0) {
    return Fail(context, NotFound("nothing of " + name + " is published to a fleet"));
  }
  return Show(context, *manifest);
}

void AddPublish(CLI::App& fleet, Context& context) {
  auto* command = fleet.add_subcommand("publish", "Give a version to a share of the devices");
  auto flags = std::make_shared<PublishFlags>();
  command->add_option("model", flags->model, "NAME@ALIAS or NAME/VERSION")->required();
  command
      ->add_option(
          "--percent", flags->percent,
          "Of the devices that get it; the others keep what all had. 100 ends the rollout, "
          "0 withdraws the version")
      ->required();
  command->add_option("--reason", flags->reason, "For the audit");
  command->add_option("--key", flags->key,
                      "What it is signed with (default: keys/model-signing.pem of the home)");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Publish(context, *flags); }; });
}

void AddShow(CLI::App& fleet, Context& context) {
  auto* command = fleet.add_subcommand("show", "Which version goes to how many devices");
  auto name = std::make_shared<std::string>();
  command->add_option("model", *name, "Its name")->required();
  command->callback(
      [&context, name] { context.run = [&context, name] { return ShowFleet(context, *name); }; });
}

}  // namespace

void AddFleet(CLI::App& app, Context& context) {
  auto* fleet =
      app.add_subcommand("fleet", "Versions for devices that poll")->require_subcommand(1);
  AddPublish(*fleet, context);
  AddShow(*fleet, context);
  AddFleetPull(*fleet, context);
}

}  // namespace muster::cli
