#include "registry/package/provenance.h"

#include "registry/package/text.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

}  // namespace

boost::json::object DigestSet(std::string_view digest) {
  std::string_view algorithm;
  if (const auto colon = digest.find(':'); colon != std::string_view::npos) {
    algorithm = digest.substr(0, colon);
    digest.remove_prefix(colon + 1);
  } else if (digest.size() == 64) {
    algorithm = "sha256";
  } else if (digest.size() == 40) {
    algorithm = "gitCommit";
  }
  const bool hex = digest.find_first_not_of(kHexDigits) == std::string_view::npos;
  if (algorithm.empty() || digest.empty() || !hex) return {};
  return {{algorithm, digest}};
}

std::string ProvenanceText(const PackageSpec& spec) {
  const Lineage& from = spec.lineage;
  boost::json::array dependencies;
  const auto depend = [&](std::string_view name, const std::string& uri, std::string_view digest) {
    boost::json::object resource = {{"name", name}, {"uri", uri}};
    if (auto set = DigestSet(digest); !set.empty()) resource["digest"] = std::move(set);
    dependencies.push_back(std::move(resource));
  };
  for (const auto& [role, path] : from.data) depend(role, path, spec.DataDigest(role));
  depend("checkpoint", from.checkpoint, "");
  const boost::json::object definition = {
      {"buildType", "urn:muster:sweep-trial:v1"},
      {"externalParameters",
       boost::json::object{
           {"sweep", from.sweep}, {"program", spec.program}, {"data", wire::ToJson(from.data)}}},
      {"internalParameters", boost::json::object{{"trial", from.trial}, {"params", from.params}}},
      {"resolvedDependencies", std::move(dependencies)}};
  const boost::json::object details = {
      {"builder", boost::json::object{{"id", "urn:muster:promoter:v1"}}},
      {"metadata", boost::json::object{{"invocationId", from.run_id},
                                       {"finishedOn", IsoTime(spec.created_ms)}}}};
  boost::json::array subjects;
  const auto made = [&](std::string_view name, const std::string& sha256) {
    const boost::json::object digest = {{"sha256", sha256}};
    subjects.push_back(boost::json::object{{"name", name}, {"digest", digest}});
  };
  made("model.onnx", spec.onnx_sha256);
  if (!spec.weights_sha256.empty()) made("model.onnx.data", spec.weights_sha256);
  return wire::SerializeJson(boost::json::object{
             {"_type", "https://in-toto.io/Statement/v1"},
             {"subject", std::move(subjects)},
             {"predicateType", "https://slsa.dev/provenance/v1"},
             {"predicate",
              boost::json::object{{"buildDefinition", definition}, {"runDetails", details}}}}) +
         "\n";
}

}  // namespace muster::registry
