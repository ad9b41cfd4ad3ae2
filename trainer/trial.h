#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/optimizer_spec.h"
#include "trainer/params.h"

namespace at {
class Tensor;
}
namespace torch::nn {
class Module;
}
namespace muster::trainer {
class Gang;
}

/// What a user writes: a model and what is computed from a batch. The training loop, data parallelism, checkpoints,
/// flags and export are muster's:
///
///   class Mine final : public muster::Trial { ... };
///   MUSTER_TRIAL(Mine)                                  // trainer/run/main.h
///
/// Row order, batches and learning rates do not depend on the number of ranks. Anything random inside the model draws
/// from LibTorch's default generators, which the loop seeds anew for each batch. Tensors are on the loop's device (CPU
/// or GPU), and the model may be computed in a lower precision there (autocast). LibTorch is only named here: a trial
/// includes what it computes with.

namespace muster {

/// Some rows: a tensor for each column, with the rows as its first dimension. There are 0 rows where a rank has no share
/// of a small last batch.
class Batch {
 public:
  struct Columns;  ///< trainer/torch/columns.h
  Batch(std::shared_ptr<const Columns> columns, std::int64_t rows)
      : columns_(std::move(columns)), rows_(rows) {}

  /// A column that the trial named; another name aborts.
  [[nodiscard]] const at::Tensor& operator[](std::string_view name) const;
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] const Columns& columns() const { return *columns_; }

 private:
  std::shared_ptr<const Columns> columns_;
  std::int64_t rows_;
};

/// What one batch adds to a metric, which is sum / count over all batches and ranks; 0 where nothing was counted. Of a
/// mean over rows the count is the rows; of precision it is the rows taken for positive.
struct Mean {
  double sum = 0;
  double count = 0;
};
using Means = std::map<std::string, Mean>;

/// The datasets of a file that a trial reads.
struct DataSpec {
  std::string inputs;             ///< what Forward takes: what a served model is asked
  std::string labels;             ///< the truth that predictions are held against
  std::vector<std::string> more;  ///< whatever else a batch is to hold
  std::int64_t classes = 0;       ///< 1 or more: labels are whole numbers in [0, classes)
  /// Of a row of inputs, -1 for any size; nothing: any shape. Files of others are refused before the first step.
  std::optional<std::vector<std::int64_t>> input_shape = {};

  [[nodiscard]] std::vector<std::string> columns() const;
};

/// What the registry's gates hold an exported model against; registry/evaluation.h has the shapes and the figures of
/// each. Of tokens whose labels are their inputs, each place's label is what stands after it.
enum class Task { kClasses, kTokens, kBinary, kRegression, kRetrieval };

/// A model as it is exported.
struct ServedSpec {
  Task task = Task::kClasses;
  /// Columns that Serve takes, whose names and types the model's inputs have; none: DataSpec::inputs, as "input".
  std::vector<std::string> columns;
  std::vector<std::string> outputs = {"logits"};
  double threshold =
      0.5;  ///< of kBinary: rows of a higher probability are positive, 0 to 1 exclusive
};

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
  [[nodiscard]] virtual std::vector<trainer::ParamSpec> params() const { return {}; }
  /// May be asked before Build.
  [[nodiscard]] virtual DataSpec data() const = 0;
  /// How gradients change weights; what the parameters of the loop say unless a trial knows better.
  [[nodiscard]] virtual trainer::OptimizerSpec optimizer(const trainer::Params& params) const;

  /// The ranks that train together (trainer/torch/gang.h), for a module that speaks with them (SyncBatchNorm). From Build
  /// on, as long as there is training; null where there is none, as in export.
  [[nodiscard]] const trainer::Gang* gang() const { return gang_; }
  void set_gang(const trainer::Gang* gang) { gang_ = gang; }

  /// Makes the module, with every parameter, in host memory. Called once, after seeding; its parameters are what is
  /// trained, saved and exported.
  virtual std::shared_ptr<torch::nn::Module> Build(const trainer::Params& params) = 0;
  /// The sum (not the mean) of the rows' losses, a scalar that gradients flow from. Training mode. Reading a value back
  /// from the device (`item`) makes a GPU wait, and a step that does so cannot be captured as a CUDA graph.
  virtual at::Tensor TrainStep(const Batch& batch) = 0;
  /// Evaluation mode, without gradients. "loss" and whatever else is wanted of validation.
  virtual Means EvalStep(const Batch& batch) = 0;

  /// What is served: inputs (N, ...) to outputs (N, ...), for a classifier logits (N, C).
  virtual at::Tensor Forward(const at::Tensor& inputs) = 0;
  /// What is exported to ONNX: the columns of served() to its outputs, each with N in front. Forward, of a model of one
  /// input and output. Both are asked after Build.
  virtual std::vector<at::Tensor> Serve(const std::vector<at::Tensor>& inputs);
  [[nodiscard]] virtual ServedSpec served() const { return {}; }
  /// Tokens in a row, for tokens per second; 0 where rows have none.
  [[nodiscard]] virtual std::int64_t tokens_per_row() const { return 0; }
  /// Floating-point operations of training on one row, forward and backward; 0 where nobody has counted. For MFU.
  [[nodiscard]] virtual double flops_per_row() const { return 0; }

 private:
  const trainer::Gang* gang_ = nullptr;
};

/// A trial that tells classes apart by cross entropy, labels being integers of any type; what is left to write are the
/// module and Forward.
class ClassifierTrial : public Trial {
 public:
  [[nodiscard]] DataSpec data() const override { return {.inputs = "images", .labels = "labels"}; }
  /// Share of each target that is spread over all classes while training, 0 to below 1 (Szegedy et al. 2016, section 7).
  /// It keeps logits small.
  [[nodiscard]] virtual double label_smoothing() const { return 0; }
  at::Tensor TrainStep(const Batch& batch) override;
  /// loss (cross entropy in nats) and accuracy.
  Means EvalStep(const Batch& batch) override;
};

}  // namespace muster
