#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "registry/inference_engine.h"
#include "registry/safetensors.h"
#include "runtime/base/result.h"

/// What a trial's export leaves for the gates, and the figures computed from it. Pure; N rows, C classes.
///
///   DIR/model.onnx                 one input, one output of logits (N, C), dynamic batch
///   DIR/evaluation.safetensors     held-out rows: inputs (N, ...) f32, labels (N) i64, reference (N, C) f32,
///                                  the logits that LibTorch itself computed
///   DIR/export.json                {"opset": 17, "input": {"name", "shape"}, "output": {"name", "shape"},
///                                   "metrics": {"test/accuracy": 0.98}}; shapes with -1 for any
///
/// export.json is written last, by rename: where it stands, the export is whole.

namespace muster::registry {

struct ExportInfo {
  std::int64_t opset = 0;
  TensorSpec input, output;               ///< f32
  std::map<std::string, double> metrics;  ///< as the trial saw them
};
Result<ExportInfo> ExportInfoFromJson(std::string_view text);
std::string ToJson(const ExportInfo& info);

/// Held-out rows. N >= 1, C >= 2; labels lie in [0, C).
struct Evaluation {
  Tensor inputs;  ///< (N, ...), any element type that the model takes
  std::vector<std::int64_t> labels;
  std::int64_t classes = 0;
  std::vector<float> reference;  ///< (N, C), row-major

  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(labels.size()); }
};
/// kInvalid names the tensor that is missing or does not fit, with both shapes.
Result<Evaluation> EvaluationFromTensors(const SafetensorsFile& file);

struct ExportBundle {
  std::filesystem::path directory;
  ExportInfo info;
  Evaluation evaluation;

  [[nodiscard]] std::filesystem::path onnx_file() const { return directory / "model.onnx"; }
};

/// The logits (N, C) of a model with one input and one output, `batch` rows at a time. kInvalid when the
/// model has other ends, takes other rows, or answers another shape than (batch, C).
Result<std::vector<float>> Logits(InferenceModel& model, const Evaluation& evaluation,
                                  std::int64_t batch = 256);

/// A figure by the last part of its name ("test/accuracy" is accuracy): accuracy, error_rate, loss (mean
/// cross entropy in nats; also cross_entropy). Ties among logits go to the lower class, as argmax does. A
/// NaN logit makes its row wrong and the loss NaN. kInvalid for another name lists the known.
Result<double> ComputeMetric(std::string_view metric, const std::vector<float>& logits,
                             const Evaluation& evaluation);
/// True for accuracy, false for loss and error_rate; kInvalid as above.
Result<bool> HigherIsBetter(std::string_view metric);

}  // namespace muster::registry
