#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trainer/control.h"
#include "trainer/precision.h"
#include "trainer/torch/accelerator.h"
#include "trainer/torch/batch_loader.h"
#include "trainer/torch/data_parallel.h"
#include "trainer/torch/ema.h"
#include "trainer/torch/gang.h"
#include "trainer/torch/grad_scaler.h"
#include "trainer/torch/loss_watch.h"
#include "trainer/torch/model_state.h"
#include "trainer/torch/optimizer.h"
#include "trainer/torch/sharded_state.h"
#include "trainer/trial.h"

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
  DataParallel::Options parallel;
};
/// Of the loop's own parameters.
LearnerOptions LearnerOptionsFrom(const Params& params, std::int64_t seed);

class Learner {
 public:
  /// Seeds, builds the trial's module, moves it to the device, gives all ranks rank 0's weights. References outlive
  /// it. kInvalid where there is nothing to train, or the ranks have not the same parameters.
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
  /// The first loss of this rank that was no finite number, since Make or Resumed. Waits for the device.
  [[nodiscard]] std::optional<BadLoss> bad_loss() const { return watch_->Read(); }
  /// The tensors are those of a checkpoint now, after `step` steps.
  void Resumed(std::int64_t step);
  /// Computes with the averaged weights (ema_decay) until called again; without them nothing happens.
  void SwapAverages();

  [[nodiscard]] torch::nn::Module& module() const { return *module_; }
  [[nodiscard]] const std::shared_ptr<torch::nn::Module>& shared_module() const { return module_; }
  [[nodiscard]] Accelerator& accelerator() const { return accelerator_; }
  [[nodiscard]] Precision precision() const { return options_.precision; }
  [[nodiscard]] std::int64_t parameter_count() const;
  /// What a step changes beside the module: "optimizer.<name>", "scaler.<name>", "ema.<name>"; the live tensors. Without
  /// what each rank has a part of.
  [[nodiscard]] NamedTensors StateTensors() const;
  /// Those of the module, too.
  [[nodiscard]] NamedTensors AllTensors() const;
  /// Of the optimizer's state what each rank has a part of, "optimizer.<name>"; nothing without `zero`.
  [[nodiscard]] const std::vector<ShardedTensor>& shards() const { return shards_; }

 private:
  struct Graph;
  Learner(Trial& trial, const Gang& gang, Accelerator& accelerator, LearnerOptions options);
  void SeedGenerators(std::int64_t step) const;
  void Compute(const Batch& batch, std::int64_t global_rows, const OnPhase& on_phase);
  at::Tensor ComputePart(const Batch& batch, double scale, bool last, const OnPhase& on_phase);
  void CheckGradients() const;
  void Update(std::optional<double> learning_rate);
  bool Replayed(const LoadedBatch& loaded, double learning_rate);

  Trial& trial_;
  const Gang& gang_;
  Accelerator& accelerator_;
  const LearnerOptions options_;
  std::shared_ptr<torch::nn::Module> module_;
  NamedTensors parameters_;  ///< each once, those that are trained
  std::vector<at::Tensor> buffers_;
  std::unique_ptr<DataParallel> data_parallel_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<ShardedTensor> shards_;
  double clip_norm_ = 0;
  std::unique_ptr<GradScaler> scaler_;  ///< with fp16
  std::unique_ptr<Ema> ema_;            ///< with ema_decay
  std::unique_ptr<LossWatch> watch_;
  at::Tensor loss_sum_;       ///< fp64, on the device
  at::Tensor learning_rate_;  ///< fp32, on the device: what a graph reads
  std::unique_ptr<Graph> graph_;
};

}  // namespace muster::trainer
