// muster model verify
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "registry/files/signed_directory.h"
#include "registry/onnx/checker.h"
#include "registry/onnx/reader.h"
#include "registry/onnx/writer.h"
#include "registry/package/model_card.h"
#include "runtime/base/file.h"
#include "runtime/cli/context.h"
#include "runtime/cli/model_fetch.h"
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

Result<std::string> PublicKey(const Context& context, const std::string& file) {
  const fs::path path = file.empty() ? context.Home() / "keys/model-signing.pub" : fs::path(file);
  auto key = ReadWholeFile(path);
  if (!key.ok() && file.empty() && key.error().kind == ErrorKind::kNotFound) {
    return NotFound("there is no " + path.string() +
                    " to verify signatures with; name the "
                    "server's (keys/model-signing.pub in its home) with --public-key");
  }
  return key;
}

/// A model.onnx that is no model is a finding, not an error.
void FindInOnnx(const fs::path& directory, std::vector<std::string>& findings) {
  const auto bytes = ReadWholeFile(directory / "model.onnx", onnx::kMaxModelBytes);
  if (!bytes.ok()) return findings.push_back("model.onnx: " + bytes.error().message);
  const auto model = onnx::Read(*bytes);
  const Status checked = model.ok() ? onnx::Check(*model) : Status(model.error());
  if (!checked.ok()) findings.push_back("model.onnx: " + checked.error().message);
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
  FindInCard(directory, findings);
  MUSTER_RETURN_IF_ERROR(FindInTritonConfig(directory, findings));
  return findings;
}

int Verify(const Context& context, const VerifyFlags& flags) {
  std::error_code code;
  const bool local = fs::is_directory(flags.model, code);
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
      if (!reference.ok()) return Fail(context, reference.error());
      const auto location = FetchModel(*client, *reference, context.Home() / "serving");
      if (!location.ok()) return Fail(context, location.error());
      directory = location->directory;
      name = location->name;
    }
  }
  std::vector<std::string> findings;
  if (!flags.model.empty()) {
    const auto key = PublicKey(context, flags.public_key);
    if (!key.ok()) return Fail(context, key.error());
    auto found = Findings(directory, *key, name);
    if (!found.ok()) return Fail(context, found.error());
    findings = std::move(found).value();
  }
  boost::json::object answer = {{"audit", local ? boost::json::value(nullptr) : audit.empty()},
                                {"message", audit},
                                {"model", flags.model},
                                {"findings", wire::ToJson(findings)}};
  if (!PrintJson(context, answer)) {
    if (!local) std::cout << "audit chain: " << (audit.empty() ? "whole" : audit) << "\n";
    for (const std::string& finding : findings) std::cout << finding << "\n";
    if (!flags.model.empty() && findings.empty()) {
      std::cout << flags.model
                << ": every file is as it was signed, model.onnx is well formed, the "
                << "model card is complete\n";
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
                      "PEM file (default: keys/model-signing.pub of the home)");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Verify(context, *flags); }; });
}

}  // namespace muster::cli
