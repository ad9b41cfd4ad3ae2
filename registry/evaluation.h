#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "registry/inference_engine.h"
#include "registry/safetensors.h"
#include "runtime/base/result.h"

/// What a trial's export leaves for the gates, and the figures computed from it. Pure; N rows.
///
///   DIR/model.onnx                 named inputs and outputs, dimension 0 of each the batch
///   DIR/evaluation.safetensors     held-out rows, format 2:
///       input.<name>        (N, ...) of any type, for each input of the model
///       reference.<name>    (N, ...) f32, for each output in the model's order: what LibTorch itself computed
///       labels              i64, or for regression targets (N, K) f32: the truth, by task below
///       segment.<column>    (N) i64, whatever columns the sweep asked for
///     with the metadata format, task, and of binary threshold. Format 1, without metadata: inputs, labels,
///     reference, of the task classes
///   DIR/export.json                {"format": 2, "opset", "task", "inputs": [{"name", "type", "shape"}], "outputs",
///                                   "metrics": {"test/accuracy": 0.98}, "data", "environment"}; shapes with -1
///                                   for any, types as ElementTypeName. Format 1 has no "format", and one f32
///                                   "input" and "output" with name and shape
///
/// export.json is written last, by rename: where it stands, the export is whole.

namespace muster::registry {

/// What the truth is, and so which figures there are. C, T, V, K, D: the last dimensions of outputs.
///
///   classes      logits (N, C), labels (N) in [0, C): accuracy, error_rate, loss (also cross_entropy)
///   tokens       logits (N, T, V), labels (N, T) below V; below 0: no label: loss (mean over labels), perplexity,
///                bits_per_token, accuracy, error_rate
///   binary       logits (N, 2), or (N) or (N, 1) of the positive class; labels (N) 0 or 1: loss, accuracy,
///                error_rate, precision, recall, f1 (of label 1 at the threshold), auroc, average_precision
///   regression   (N) or (N, K), targets alike: mae, rmse, mse (also loss), r2 (mean over K)
///   retrieval    two outputs (N, D), a vector of the row and one of its item; labels (N) are items' ids: mrr,
///                recall_at_<k>. A row's candidates are the items of its block of kRetrievalBlock rows
enum class Task { kClasses, kTokens, kBinary, kRegression, kRetrieval };
inline constexpr std::int64_t kRetrievalBlock = 256;

std::string_view TaskName(Task task);  ///< "classes", ... as above
Result<Task> TaskFromName(std::string_view name);

/// A dataset as training saw it.
struct DataVersion {
  std::string path;
  std::string
      digest;  ///< SHA-256 in hex: of the file, or of the lines `sha256sum` prints for several; "" unknown
  bool changed = false;  ///< the files are not those that training read: size or time differ
};

struct ExportInfo {
  std::int64_t opset = 0;
  Task task = Task::kClasses;
  std::vector<TensorSpec> inputs, outputs;         ///< one or more of each
  std::map<std::string, double> metrics;           ///< as the trial saw them
  std::map<std::string, DataVersion> data;         ///< role -> version
  std::map<std::string, std::string> environment;  ///< of the training: "libtorch" -> "2.11.0", ...
};
/// Either format; kInvalid names the key.
Result<ExportInfo> ExportInfoFromJson(std::string_view text);
std::string ToJson(const ExportInfo& info);

/// Held-out rows. N >= 1; the truth is in range.
struct Evaluation {
  Task task = Task::kClasses;
  std::vector<Tensor>
      inputs;  ///< (N, ...) each, by the model's names; one alone goes to a model's only input
  std::vector<TensorSpec> outputs;   ///< with N in front; f32
  std::vector<std::int64_t> labels;  ///< (N), of tokens (N, T); of regression empty
  std::vector<float> targets;        ///< (N, K) of regression
  std::int64_t classes =
      0;                   ///< C, V, K or D: the last dimension of the first output; 1 without one
  double threshold = 0.5;  ///< of binary: a row is positive where its probability is higher
  /// (N, W): a row's outputs one after another, W = width(). Every vector of outputs has this form.
  std::vector<float> reference;
  std::map<std::string, std::vector<std::int64_t>> segments;  ///< column -> (N), for gates by group

  [[nodiscard]] std::int64_t rows() const { return inputs.empty() ? 0 : inputs[0].shape[0]; }
  [[nodiscard]] std::int64_t width() const {
    return rows() == 0 ? 0 : static_cast<std::int64_t>(reference.size()) / rows();
  }
};
/// kInvalid names the tensor that is missing or does not fit, with both shapes.
Result<Evaluation> EvaluationFromTensors(const SafetensorsFile& file);

struct ExportBundle {
  std::filesystem::path directory;
  std::string onnx_sha256;      ///< of model.onnx, hex
  std::string weights_sha256;   ///< of model.onnx.data; empty: the weights are in model.onnx
  std::int64_t onnx_bytes = 0;  ///< of both
  ExportInfo info;
  Evaluation evaluation;

  [[nodiscard]] std::filesystem::path onnx_file() const { return directory / "model.onnx"; }
  /// Of a compressed candidate: what it was made of.
  [[nodiscard]] std::filesystem::path full_onnx_file() const { return directory / "full.onnx"; }
};

/// What a model answers to the rows, (N, W) as Evaluation::reference, `batch` rows at a time, fewer of wide
/// outputs. Inputs and outputs go by name, a single one by its place; outputs may be of any float. kInvalid when the
/// model has other ends, takes other rows, or answers other shapes.
Result<std::vector<float>> Logits(InferenceModel& model, const Evaluation& evaluation,
                                  std::int64_t batch = 256);
/// The same of the first `rows` rows alone, 1 to N: (rows, W).
Result<std::vector<float>> FirstLogits(InferenceModel& model, const Evaluation& evaluation,
                                       std::int64_t rows, std::int64_t batch);

/// A figure by the last part of its name ("test/accuracy" is accuracy), of those of the rows' task. Ties among
/// logits go to the lower class, as argmax does. NaN outputs make accuracy's rows wrong and every other figure
/// NaN; so do rows that a figure is not defined on (auroc without both labels, recall and f1 without label 1, r2
/// of constant targets). Precision where no row is found is 0. kInvalid for another name lists the task's.
Result<double> ComputeMetric(std::string_view metric, const std::vector<float>& logits,
                             const Evaluation& evaluation);
/// The same over some of the rows, in any order and as often as they come: for folds, segments and the bootstrap.
/// Candidates of retrieval stay those of all rows.
Result<double> ComputeMetric(std::string_view metric, const std::vector<float>& logits,
                             const Evaluation& evaluation, std::span<const std::int64_t> rows);
/// Decisions that two vectors of outputs (N, W) have in common: the largest of the last dimension, of binary the side
/// of the threshold. One with a NaN agrees with nothing; where the task has no decisions (regression, retrieval), all
/// rows agree.
struct Agreement {
  std::int64_t same = 0, all = 0;
  [[nodiscard]] double share() const {
    return static_cast<double>(same) / static_cast<double>(all);
  }
};
Agreement AgreementOf(const std::vector<float>& a, const std::vector<float>& b,
                      const Evaluation& evaluation);

/// Whatever the task: accuracy true, loss false. kInvalid for another name lists all.
Result<bool> HigherIsBetter(std::string_view metric);

}  // namespace muster::registry
