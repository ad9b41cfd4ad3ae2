#include "runtime/modules/openvino.h"

#include <mutex>
#include <utility>

#include "registry/openvino/module.h"
#include "runtime/modules/module.h"

namespace muster::modules {
namespace {

using registry::InferenceEngine;
using registry::InferenceModel;

class LateEngine final : public InferenceEngine {
 public:
  explicit LateEngine(std::filesystem::path folder) : folder_(std::move(folder)) {}

  Result<std::unique_ptr<InferenceModel>> Load(const std::filesystem::path& onnx_file,
                                               int threads) override {
    MUSTER_ASSIGN_OR_RETURN(InferenceEngine * engine, Get());
    return engine->Load(onnx_file, threads);
  }

  [[nodiscard]] std::string name() const override {
    const auto engine = Get();
    return engine.ok() ? (*engine)->name() : "OpenVINO";
  }

 private:
  Result<InferenceEngine*> Get() const {
    const std::lock_guard lock(mutex_);
    if (!engine_) {
      MUSTER_ASSIGN_OR_RETURN(const auto* module, modules::Load<registry::OpenVinoModule>(folder_));
      engine_.reset(module->make_engine());
    }
    return engine_.get();
  }

  const std::filesystem::path folder_;
  mutable std::mutex mutex_;  ///< guards engine_, which never changes again
  mutable std::unique_ptr<InferenceEngine> engine_;
};

}  // namespace

std::unique_ptr<InferenceEngine> MakeOpenVinoEngine(std::filesystem::path folder) {
  return std::make_unique<LateEngine>(std::move(folder));
}

}  // namespace muster::modules
