#include <torch/nn/module.h>

#include "trainer/export/export.h"

namespace muster::exporting {
namespace {

/// Evaluation mode for as long as it lives; then every submodule has the mode that it had.
class EvaluationMode {
 public:
  explicit EvaluationMode(torch::nn::Module& module) {
    parts_.emplace_back(&module, module.is_training());
    for (const auto& part : module.modules(/*include_self=*/false)) {
      parts_.emplace_back(part.get(), part->is_training());
    }
    module.eval();
  }
  ~EvaluationMode() {
    // train() reaches down: with parents first, the last word on each part is its own.
    for (auto& [part, training] : parts_) part->train(training);
  }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  std::vector<std::pair<torch::nn::Module*, bool>> parts_;
};

}  // namespace

Result<onnx::Model> ExportModule(torch::nn::Module& module, const Forward& forward,
                                 const std::vector<at::Tensor>& examples,
                                 const ExportOptions& options) {
  std::vector<NamedTensor> state;
  for (const auto& item : module.named_parameters()) state.push_back({item.key(), item.value()});
  for (const auto& item : module.named_buffers()) state.push_back({item.key(), item.value()});
  const EvaluationMode evaluation(module);
  return ExportOnnx(forward, state, examples, options);
}

}  // namespace muster::exporting
