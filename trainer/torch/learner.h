#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trainer/control.h"
#include "trainer/precision.h"
#include "trainer/torch/accelerator.h"
#include "trainer/torch/batch_loader.h"
#include "trainer/torch/data_parallel.h"
#include "trainer/torch/gang.h"
#include "trainer/torch/model_state.h"
#include "trainer/torch/optimizer.h"
#include "trainer/trial.h"

namespace c10 {
class Error;
}

/// One rank's share of training: the module on its device, and what turns a batch into new weights. When, with which
/// learning rate and how often is the loop's concern (train_loop.h).

namespace muster::trainer {

struct LearnerOptions {
  Precision precision = Precision::kFp32;
  std::int64_t accumulate =
      1;  ///< parts that a rank's share of a batch is computed in, one after another
  bool graph =
      false;  ///< queue whole steps as a graph, where the device has graphs and there is one rank
  std::int64_t seed = 0;
};
/// Of the loop's own parameters.
LearnerOptions LearnerOptionsFrom(const Params& params, std::int64_t seed);

class Learner {
 public:
  /// Seeds, builds the trial's module, moves it to the device, gives all ranks rank 0's weights. References outlive
  /// it. kInvalid where there is nothing to train.
  static Result<std::unique_ptr<Learner>> Make(Trial& trial, const Params& params, const Gang& gang,
                                               Accelerator& accelerator, LearnerOptions options);
  ~Learner();
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  /// Called at the beginning of each phase: "forward", "backward", "reduce" (own gradients are there), "step".
  using OnPhase = std::function<void(const char* phase)>;

  /// Optimizer step number `step`, from the gradient of the mean loss over the rows of the global batch. All ranks.
  /// Same seed and step: same random numbers. On a GPU it returns before the step is computed.
  void Step(const LoadedBatch& loaded, std::int64_t step, double learning_rate,
            const OnPhase& on_phase);

  /// The sum of this rank's losses since the last call of set_loss_sum. Waits for the device.
  [[nodiscard]] double loss_sum() const;
  void set_loss_sum(double sum);

  [[nodiscard]] torch::nn::Module& module() const { return *module_; }
  [[nodiscard]] const std::shared_ptr<torch::nn::Module>& shared_module() const { return module_; }
  [[nodiscard]] Accelerator& accelerator() const { return accelerator_; }
  [[nodiscard]] Precision precision() const { return options_.precision; }
  [[nodiscard]] std::int64_t parameter_count() const;
  /// "optimizer.<name>"; the live tensors.
  [[nodiscard]] NamedTensors OptimizerTensors() const;
  /// Those of the module and of the optimizer.
  [[nodiscard]] NamedTensors AllTensors() const;

 private:
  struct Graph;
  Learner(Trial& trial, const Gang& gang, Accelerator& accelerator, LearnerOptions options);
  void SeedGenerators(std::int64_t step) const;
  void Compute(const Batch& batch, std::int64_t global_rows, const OnPhase& on_phase);
  void ComputePart(const Batch& batch, double scale, bool last, const OnPhase& on_phase);
  bool Replayed(const LoadedBatch& loaded, double learning_rate);

  Trial& trial_;
  const Gang& gang_;
  Accelerator& accelerator_;
  const LearnerOptions options_;
  std::shared_ptr<torch::nn::Module> module_;
  std::vector<at::Tensor> parameters_;  ///< each once, those that are trained
  std::vector<at::Tensor> buffers_;
  std::unique_ptr<DataParallel> data_parallel_;
  std::unique_ptr<Optimizer> optimizer_;
  at::Tensor loss_sum_;       ///< fp64, on the device
  at::Tensor learning_rate_;  ///< fp32, on the device: what a graph reads
  std::unique_ptr<Graph> graph_;
};

}  // namespace muster::trainer
