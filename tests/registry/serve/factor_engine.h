#pragma once

#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "registry/inference_engine.h"
#include "tests/registry/serve/tensors.h"

namespace muster::registry::serve {

/// Loads DIR/<v>/model.onnx, which need not be there, as y = v x, or as the test says. For what goes on around a model.
class FactorEngine final : public InferenceEngine {
 public:
  struct Behaviour {
    std::string input = "x";
    bool loads = true;
    std::atomic<bool> answers = true;
    std::atomic<float> plus = 0;
  };
  /// Of version `version`, also of one that is loaded already.
  Behaviour& Of(const std::string& version) {
    auto& behaviour = behaviours_[version];
    if (behaviour == nullptr) behaviour = std::make_shared<Behaviour>();
    return *behaviour;
  }
  Result<std::unique_ptr<InferenceModel>> Load(const std::filesystem::path& file, int) override {
    const std::string version = file.parent_path().filename().string();
    Of(version);
    const auto behaviour = behaviours_[version];
    if (!behaviour->loads) return Invalid("version " + version + " is no model");
    return std::unique_ptr<InferenceModel>(new Model(std::stof(version), behaviour));
  }
  [[nodiscard]] std::string name() const override { return "factor"; }

 private:
  class Model final : public InferenceModel {
   public:
    Model(float factor, std::shared_ptr<Behaviour> behaviour)
        : factor_(factor),
          behaviour_(std::move(behaviour)),
          inputs_{{behaviour_->input, ElementType::kF32, {-1, 1}}} {}
    [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
    [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }
    Result<std::vector<Tensor>> Infer(const std::vector<Tensor>& inputs) override {
      MUSTER_RETURN_IF_ERROR(CheckInputs(inputs_, inputs));
      auto values = Values<float>(inputs[0]);
      const bool zeros = values == std::vector<float>(values.size());  // the warm-up's
      if (!behaviour_->answers && !zeros) return Internal("broken");
      for (float& value : values) value = value * factor_ + behaviour_->plus;
      return std::vector{MakeTensor("y", ElementType::kF32, inputs[0].shape, values)};
    }

   private:
    const float factor_;
    const std::shared_ptr<Behaviour> behaviour_;
    const std::vector<TensorSpec> inputs_;
    const std::vector<TensorSpec> outputs_{{"y", ElementType::kF32, {-1, 1}}};
  };
  std::map<std::string, std::shared_ptr<Behaviour>> behaviours_;
};

}  // namespace muster::registry::serve
