#include "runtime/cli/predict_model.h"

#include "registry/files/signed_directory.h"
#include "registry/package/edge_manifest.h"
#include "runtime/base/file.h"
#include "runtime/base/sha256.h"
#include "runtime/cli/model_fetch.h"
#include "runtime/cli/remote_model.h"
#include "runtime/modules/engines.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;
using registry::Decision;

Decision DecisionOf(const fs::path& directory) {
  const auto text = ReadWholeFile(directory / "ml-bom.json");
  const std::string task = text.ok() ? registry::TaskOfMlBom(*text) : "";
  if (task.ends_with("classification")) return Decision::kLogits;
  return task.empty() || task == "other" ? Decision::kUnknown : Decision::kNone;
}

Result<std::string> DigestOf(const fs::path& onnx_file) {
  MUSTER_ASSIGN_OR_RETURN(const auto model, registry::DigestFile(onnx_file));
  const auto weights = registry::DigestFile(onnx_file.string() + ".data");
  if (!weights.ok() && weights.error().kind != ErrorKind::kNotFound) return weights.error();
  return weights.ok() ? Sha256Hex(model.sha256 + weights->sha256) : model.sha256;
}

/// Keeps the engine as long as its model.
class LocalModel final : public registry::InferenceModel {
 public:
  LocalModel(std::unique_ptr<registry::InferenceEngine> engine,
             std::unique_ptr<registry::InferenceModel> model)
      : engine_(std::move(engine)), model_(std::move(model)) {}
  [[nodiscard]] const std::vector<registry::TensorSpec>& inputs() const override {
    return model_->inputs();
  }
  [[nodiscard]] const std::vector<registry::TensorSpec>& outputs() const override {
    return model_->outputs();
  }
  Result<std::vector<registry::Tensor>> Infer(
      const std::vector<registry::Tensor>& inputs) override {
    return model_->Infer(inputs);
  }

 private:
  std::unique_ptr<registry::InferenceEngine> engine_;
  std::unique_ptr<registry::InferenceModel> model_;
};

}  // namespace

Result<PredictModel> OpenPredictModel(const Context& context, const std::string& name,
                                      int threads) {
  if (name.find("://") != std::string::npos) {
    MUSTER_ASSIGN_OR_RETURN(std::shared_ptr<RemoteModel> remote, RemoteModel::Open(name));
    const std::string version = remote->version();
    return PredictModel{std::move(remote), version, "", name, Decision::kUnknown};
  }
  MUSTER_ASSIGN_OR_RETURN(const auto source, MakeModelSource(context, name));
  MUSTER_ASSIGN_OR_RETURN(const auto location, source->Current());
  const fs::path file = location.directory / "model.onnx";
  auto engine = modules::MakeOpenVinoEngine(context.program.parent_path());
  MUSTER_ASSIGN_OR_RETURN(auto model, engine->Load(file, threads));
  MUSTER_ASSIGN_OR_RETURN(std::string sha256, DigestOf(file));
  const std::string engine_name = engine->name();
  return PredictModel{std::make_shared<LocalModel>(std::move(engine), std::move(model)),
                      std::to_string(location.version), std::move(sha256), engine_name,
                      DecisionOf(location.directory)};
}

}  // namespace muster::cli
