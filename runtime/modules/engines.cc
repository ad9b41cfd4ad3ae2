#include "runtime/modules/engines.h"

#include <functional>
#include <mutex>
#include <utility>

#include "registry/onnxruntime/module.h"
#include "registry/openvino/module.h"
#include "runtime/modules/module.h"

namespace muster::modules {
namespace {

using registry::InferenceEngine;
using registry::InferenceModel;

class LateEngine final : public InferenceEngine {
 public:
  using Make = std::function<Result<InferenceEngine*>()>;
  LateEngine(std::string name, Make make) : name_(std::move(name)), make_(std::move(make)) {}

  Result<std::unique_ptr<InferenceModel>> Load(const std::filesystem::path& onnx_file,
                                               int threads) override {
    MUSTER_ASSIGN_OR_RETURN(InferenceEngine * engine, Get());
    return engine->Load(onnx_file, threads);
  }

  [[nodiscard]] std::string name() const override {
    const auto engine = Get();
    return engine.ok() ? (*engine)->name() : name_;
  }

 private:
  Result<InferenceEngine*> Get() const {
    const std::lock_guard lock(mutex_);
    if (!engine_) {
      MUSTER_ASSIGN_OR_RETURN(InferenceEngine * made, make_());
      engine_.reset(made);
    }
    return engine_.get();
  }

  const std::string name_;
  const Make make_;
  mutable std::mutex mutex_;  ///< guards engine_, which never changes again
  mutable std::unique_ptr<InferenceEngine> engine_;
};

}  // namespace

std::unique_ptr<InferenceEngine> MakeOpenVinoEngine(std::filesystem::path folder) {
  return std::make_unique<LateEngine>(
      "OpenVINO", [folder = std::move(folder)]() -> Result<InferenceEngine*> {
        MUSTER_ASSIGN_OR_RETURN(const auto* module, Load<registry::OpenVinoModule>(folder));
        return module->make_engine();
      });
}

Result<std::filesystem::path> OpenVinoFolder(const std::filesystem::path& folder) {
  MUSTER_ASSIGN_OR_RETURN(const auto* module, Load<registry::OpenVinoModule>(folder));
  return module->folder();
}

std::unique_ptr<InferenceEngine> MakeOnnxRuntimeEngine(std::filesystem::path folder,
                                                       std::string library) {
  return std::make_unique<LateEngine>(
      "ONNX Runtime",
      [folder = std::move(folder), library = std::move(library)]() -> Result<InferenceEngine*> {
        MUSTER_ASSIGN_OR_RETURN(const auto* module, Load<registry::OnnxRuntimeModule>(folder));
        return module->make_engine(library.empty() ? nullptr : library.c_str());
      });
}

}  // namespace muster::modules
