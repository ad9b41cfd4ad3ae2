#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/params.h"

namespace torch::nn {
class Module;
}

/// What a user writes: a model and what is computed from a batch. The training loop (train_loop.h), data
/// parallelism, checkpoints, flags and export are muster's:
///
///   class Mine final : public muster::Trial { ... };
///   MUSTER_TRIAL(Mine)                                  // trainer/run/main.h
///
/// Row order, batches and learning rates do not depend on the number of ranks. Anything random inside the
/// model draws from LibTorch's default generator, which the loop seeds anew for each batch.

namespace muster {

/// Some rows, in the order of a trial's `columns()`. The first dimension of every tensor is the rows; it
/// is 0 where a rank has no share of a small last batch.
struct Batch {
  std::map<std::string, at::Tensor, std::less<>> columns;
  std::int64_t rows = 0;

  /// A column that the trial named; another name aborts.
  [[nodiscard]] const at::Tensor& operator[](std::string_view name) const;
};

/// Sums over the rows of a batch, by metric: {"loss", 12.5}, {"accuracy", 31 right ones}. The loop adds
/// them up over batches and ranks and divides by the rows.
using Sums = std::map<std::string, double>;

/// All methods are called from one thread; LibTorch's exceptions may pass through them.
class Trial {
 public:
  Trial() = default;
  virtual ~Trial() = default;
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  /// The program's name and a sentence about it, for --help.
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::string about() const = 0;
  /// The trial's own parameters; those of the loop (LoopParams) are added.
  [[nodiscard]] virtual std::vector<trainer::ParamSpec> params() const = 0;
  /// The datasets of a file that a batch holds.
  [[nodiscard]] virtual std::vector<std::string> columns() const = 0;

  /// Makes the module, with every parameter. Called once, after seeding; its parameters are what is
  /// trained, saved and exported.
  virtual std::shared_ptr<torch::nn::Module> Build(const trainer::Params& params) = 0;
  /// The sum (not the mean) of the rows' losses, a scalar that gradients flow from. Training mode.
  virtual at::Tensor TrainLoss(const Batch& batch) = 0;
  /// Evaluation mode, without gradients. "loss" and whatever else is wanted of validation.
  virtual Sums Evaluate(const Batch& batch) = 0;

  /// What is served: inputs (N, ...) to logits (N, C). Also what is exported to ONNX.
  virtual at::Tensor Forward(const at::Tensor& inputs) = 0;
  [[nodiscard]] virtual std::string inputs_column() const = 0;
  [[nodiscard]] virtual std::string labels_column() const = 0;
};

/// A trial that tells classes apart by cross entropy, labels being integers of any type; what is left
/// to write are the module and Forward.
class ClassifierTrial : public Trial {
 public:
  [[nodiscard]] std::vector<std::string> columns() const override {
    return {inputs_column(), labels_column()};
  }
  /// Share of each target that is spread over all classes while training, 0 to below 1 (Szegedy et al. 2016,
  /// section 7). It keeps logits small.
  [[nodiscard]] virtual double label_smoothing() const { return 0; }
  at::Tensor TrainLoss(const Batch& batch) override;
  /// loss (cross entropy in nats) and accuracy.
  Sums Evaluate(const Batch& batch) override;
  [[nodiscard]] std::string inputs_column() const override { return "images"; }
  [[nodiscard]] std::string labels_column() const override { return "labels"; }
};

}  // namespace muster
