#include "registry/package/package.h"

#include "registry/gate_json.h"
#include "registry/package/baselines.h"
#include "registry/package/ml_bom.h"
#include "registry/package/mlmodel.h"
#include "registry/package/model_card.h"
#include "registry/package/provenance.h"
#include "registry/package/triton_config.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

namespace muster::registry {

std::string ModelUuid(std::string_view request_id) { return Sha256Hex(request_id).substr(0, 32); }

std::string PackageSpec::DataDigest(const std::string& role) const {
  if (const auto seen = info.data.find(role); seen != info.data.end()) return seen->second.digest;
  const auto found = lineage.data_digests.find(role);
  return found == lineage.data_digests.end() ? "" : found->second;
}

std::string CardText(const PackageSpec& spec) {
  const boost::json::object card = {
      {"format", 1},
      {"model", spec.model},
      {"created_ms", spec.created_ms},
      {"lineage", LineageJson(spec.lineage)},
      {"onnx", boost::json::object{{"opset", spec.info.opset}, {"engine", spec.engine}}},
      {"gates", GatesToJson(spec.verdicts)}};
  return wire::SerializeJson(card) + "\n";
}

std::vector<PackageFile> BuildPackage(const PackageSpec& spec) {
  std::vector<PackageFile> files = {{"model.onnx", "", spec.onnx_file},
                                    {"config.pbtxt", TritonConfigText(spec.model, spec.info), {}},
                                    {"card.json", CardText(spec), {}},
                                    {"README.md", ModelCardText(spec), {}},
                                    {"ml-bom.json", MlBomText(spec), {}},
                                    {"provenance.json", ProvenanceText(spec), {}},
                                    {"baseline.json", BaselineText(spec), {}}};
  for (PackageFile& file : MlflowFiles(spec)) files.push_back(std::move(file));
  if (!spec.weights_sha256.empty()) {
    files.push_back({"model.onnx.data", "", spec.onnx_file.string() + ".data"});
  }
  const std::string& diff = spec.lineage.code.diff;
  if (!diff.empty()) files.push_back({"code.diff", diff, {}});
  return files;
}

}  // namespace muster::registry
