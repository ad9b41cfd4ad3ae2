// muster model verify
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "registry/files/onnx_file.h"
#include "registry/files/signed_directory.h"
#include "registry/onnx/checker.h"
#include "registry/package/model_card.h"
#include "runtime/base/file.h"
#include "runtime/cli/context.h"
#include "runtime/cli/model_fetch.h"
#include "runtime/cli/model_output.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

struct VerifyFlags {
  std::string model, public_key;
};

/// The whole chain of the server's audit: "" when it is whole, else what does not fit.
Result<std::string> AuditFinding(http::Client& client) {
  MUSTER_ASSIGN_OR_RETURN(const auto answer, client.Json("GET", "/api/muster/v1/audit/verify"));
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<boost::json::object>(answer));
  MUSTER_ASSIGN_OR_RETURN(const bool whole, wire::FromJson<bool>(fields["ok"]));
  if (whole) return std::string();
  return wire::FromJson<std::string>(fields["message"]);
}

/// That of the flag, of the home, or the one that the server names.
Result<std::string> PublicKey(const Context& context, const std::string& file) {
  if (!file.empty()) {
    MUSTER_ASSIGN_OR_RETURN(const std::string pem, ReadWholeFile(file, 1 << 16));
    auto key = registry::CanonicalPublicKey(pem);
    if (!key.ok()) return key.error().With(file);
    return key;
  }
  const fs::path path = context.Home() / "keys/model-signing.pub";
  auto key = ReadWholeFile(path);
  if (key.ok() || key.error().kind != ErrorKind::kNotFound) return key;
  auto client = context.Connect();
  if (!client.ok()) {
    return NotFound("there is no " + path.string() +
                    " to verify signatures with; name the server's public key with --public-key, "
                    "or a server that hands it out with --server");
  }
  MUSTER_ASSIGN_OR_RETURN(const auto answer, client->Json("GET", "/api/muster/v1/model-key"));
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<boost::json::object>(answer));
  MUSTER_ASSIGN_OR_RETURN(std::string pem, wire::FromJson<std::string>(fields["public_key"]));
  if (!context.json && !context.quiet) {
    std::cout << "key: as " << client->base_url()
              << " names it; to depend on no server, name a copy of your own with --public-key\n";
  }
  return pem;
}

/// A model's versions are signed alike: the files of another one must not pass for those of this one.
Status FindOtherVersion(http::Client& client, const registry::serve::ModelLocation& location,
                        std::vector<std::string>& findings) {
  MUSTER_ASSIGN_OR_RETURN(
      const auto answer,
      client.Json("GET",
                  ModelPath(location.name, "/versions/" + std::to_string(location.version))));
  MUSTER_ASSIGN_OR_RETURN(auto version, wire::FromJson<boost::json::object>(answer));
  MUSTER_ASSIGN_OR_RETURN(auto tags, wire::FromJson<boost::json::object>(version["tags"]));
  // Without the tag no promotion made the version.
  const std::string request = Text(tags, registry::kRequestTag);
  const auto mlmodel = ReadWholeFile(location.directory / "MLmodel");
  if (request.empty() || !mlmodel.ok()) return Ok();
  const std::string uuid = registry::ModelUuid(request);
  if (mlmodel->find("\nmodel_uuid: '" + uuid + "'\n") == std::string::npos) {
    findings.push_back("MLmodel: is that of another version: the model_uuid of version " +
                       std::to_string(location.version) + " is " + uuid);
  }
  return Ok();
}

/// A model.onnx that is no model is a finding, not an error.
void FindInOnnx(const fs::path& directory, std::vector<std::string>& findings) {
  const auto model = registry::ReadOnnxFile(directory / "model.onnx");
  const Status checked = model.ok() ? onnx::Check(*model) : Status(model.error());
  if (!checked.ok()) findings.push_back("model.onnx: " + checked.error().message);
}

/// What `muster model pack` writes; it has no model card.
bool IsEdgePack(const fs::path& directory) {
  std::error_code code;
  return fs::exists(directory / "manifest.json", code);
}

void FindInCard(const fs::path& directory, std::vector<std::string>& findings) {
  const auto card = ReadWholeFile(directory / "README.md");
  if (!card.ok()) return findings.push_back("README.md: " + card.error().message);
  for (const std::string& section : registry::MissingSections(*card)) {
    findings.push_back("README.md: the model card has no section '" + section + "'");
  }
}

/// The config.pbtxt beside the versions is no part of any, so no signature covers it: it must be the newest one's.
Status FindInTritonConfig(const fs::path& directory, std::vector<std::string>& findings) {
  const auto beside = ReadWholeFile(directory.parent_path() / "config.pbtxt");
  if (!beside.ok()) return Ok();
  const auto number = [](const fs::path& path) {
    const std::string name = path.filename().string();
    const bool digits = name.find_first_not_of("0123456789") == std::string::npos;
    return digits && !name.empty() && name.size() < 19 ? std::stoll(name) : -1;
  };
  if (number(directory) < 0) return Ok();
  fs::path newest = directory;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(directory.parent_path(), code)) {
    if (number(entry.path()) > number(newest)) newest = entry.path();
  }
  if (code) return IoError(directory.parent_path().string(), code.value());
  const auto wanted = ReadWholeFile(newest / "config.pbtxt");
  if (!wanted.ok() || *wanted != *beside) {
    findings.push_back("../config.pbtxt: is not that of version " + newest.filename().string());
  }
  return Ok();
}

Result<std::vector<std::string>> Findings(const fs::path& directory, const std::string& public_key,
                                          const std::string& model) {
  MUSTER_ASSIGN_OR_RETURN(auto findings, registry::VerifyDirectory(directory, public_key, model));
  FindInOnnx(directory, findings);
  if (!IsEdgePack(directory)) FindInCard(directory, findings);
  MUSTER_RETURN_IF_ERROR(FindInTritonConfig(directory, findings));
  return findings;
}

int Verify(const Context& context, const VerifyFlags& flags) {
  std::error_code code;
  const bool local = fs::is_directory(flags.model, code);
  std::vector<std::string> findings;
  fs::path directory =
      fs::absolute(flags.model.empty() ? "." : flags.model, code).lexically_normal();
  if (!directory.has_filename()) directory = directory.parent_path();
  std::string audit, name;
  if (!local) {
    auto client = context.Connect();
    if (!client.ok()) return Fail(context, client.error());
    auto finding = AuditFinding(*client);
    if (!finding.ok()) return Fail(context, finding.error());
    audit = *finding;
    if (!flags.model.empty()) {
      const auto reference = ParseModelReference(flags.model);
      if (!reference.ok()) {
        return Fail(context, Invalid(reference.error().message + "; nor is it a folder"));
      }
      const auto location = FetchModel(*client, *reference, context.Home() / "serving");
      if (!location.ok()) return Fail(context, location.error());
      directory = location->directory;
      name = location->name;
      const Status found = FindOtherVersion(*client, *location, findings);
      if (!found.ok()) return Fail(context, found.error());
    }
  }
  if (!flags.model.empty()) {
    const auto key = PublicKey(context, flags.public_key);
    if (!key.ok()) return Fail(context, key.error());
    auto found = Findings(directory, *key, name);
    if (!found.ok()) return Fail(context, found.error());
    findings.insert(findings.end(), found->begin(), found->end());
  }
  boost::json::object answer = {{"audit", local ? boost::json::value(nullptr) : audit.empty()},
                                {"message", audit},
                                {"model", flags.model},
                                {"findings", wire::ToJson(findings)}};
  if (!PrintJson(context, answer)) {
    if (!local) std::cout << "audit chain: " << (audit.empty() ? "whole" : audit) << "\n";
    for (const std::string& finding : findings) std::cout << finding << "\n";
    if (!flags.model.empty() && findings.empty()) {
      std::cout << flags.model << ": every file is as it was signed, model.onnx is well formed"
                << (IsEdgePack(directory) ? "" : ", the model card is complete") << "\n";
    }
  }
  return audit.empty() && findings.empty() ? kDone : kFailed;
}

}  // namespace

void AddModelVerify(CLI::App& model, Context& context) {
  auto* command = model.add_subcommand(
      "verify", "Check the audit chain; a version's signature, files, ONNX graph and model card");
  auto flags = std::make_shared<VerifyFlags>();
  command->add_option("model", flags->model,
                      "NAME@ALIAS, NAME/VERSION, or a version's folder (needs no server)");
  command->add_option("--public-key", flags->public_key,
                      "PEM file (default: keys/model-signing.pub of the home, else what the server "
                      "names)");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Verify(context, *flags); }; });
}

}  // namespace muster::cli
