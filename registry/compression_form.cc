#include "registry/compression_form.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

#include "registry/onnx/writer.h"

namespace muster::registry {
namespace {

using onnx::compress::Compressed;
using onnx::compress::Range;
using onnx::compress::RangeMethod;
using onnx::compress::RangeObserver;

constexpr std::int64_t kCalibrationBatch = 64;
/// Faster in OpenVINO than its default of 32; a layer whose rows are no multiple of it stays f32.
constexpr const char* kActivationGroup = "128";
constexpr RangeMethod kRangeMethods[] = {RangeMethod::kMinMax, RangeMethod::kPercentile,
                                         RangeMethod::kEntropy};

std::vector<float> FloatsOf(const Tensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

/// Shows each output of type float, a batch at a time.
template <typename Show>
Status Observe(InferenceModel& model, const Evaluation& rows, Show&& show) {
  for (std::int64_t begin = 0; begin < rows.rows(); begin += kCalibrationBatch) {
    const std::int64_t count = std::min(kCalibrationBatch, rows.rows() - begin);
    std::vector<Tensor> inputs = RowsOf(rows, begin, count).inputs;
    if (inputs.size() == 1 && model.inputs().size() == 1) inputs[0].name = model.inputs()[0].name;
    MUSTER_ASSIGN_OR_RETURN(const auto outputs, model.Infer(inputs));
    for (const Tensor& output : outputs) {
      if (output.type == ElementType::kF32) show(output.name, FloatsOf(output));
    }
  }
  return Ok();
}

Result<std::vector<float>> Answers(const onnx::Model& model, const Evaluation& rows,
                                   const LoadOnnx& load) {
  MUSTER_ASSIGN_OR_RETURN(const std::string bytes, onnx::Write(model));
  MUSTER_ASSIGN_OR_RETURN(const auto loaded, load(bytes));
  return Logits(*loaded, rows);
}

Result<Compressed> BestStatic(const onnx::Model& model, const Evaluation& calibration,
                              const LoadOnnx& load) {
  MUSTER_ASSIGN_OR_RETURN(const auto full, Answers(model, calibration, load));
  std::optional<Compressed> best;
  double most = -1;
  for (const RangeMethod method : kRangeMethods) {
    MUSTER_ASSIGN_OR_RETURN(const auto ranges, Calibrate(model, calibration, method, load));
    MUSTER_ASSIGN_OR_RETURN(auto built, onnx::compress::QuantizeStatic(model, ranges));
    if (built.rewritten() == 0) return built;
    MUSTER_ASSIGN_OR_RETURN(const auto seen, Answers(built.model, calibration, load));
    const double agreement = AgreementOf(full, seen, calibration).share();
    if (agreement <= most) continue;
    most = agreement;
    best = std::move(built);
  }
  return std::move(*best);
}

std::string LeftText(const Compressed& compressed) {
  std::string text = "no layer of the model can take this form";
  for (const auto& layer : compressed.layers) text += "; " + layer.node + ": " + layer.left;
  return text;
}

template <typename T>
std::vector<T> RowsOf(const std::vector<T>& values, std::int64_t rows, std::int64_t begin,
                      std::int64_t count) {
  const std::int64_t width = static_cast<std::int64_t>(values.size()) / rows;
  return {values.begin() + begin * width, values.begin() + (begin + count) * width};
}

}  // namespace

Result<std::vector<CompressionForm>> ParseCompressionForms(std::string_view text) {
  using enum CompressionKind;
  static constexpr std::pair<std::string_view, CompressionKind> kNames[] = {
      {"dynamic", kDynamic},
      {"weight-only", kWeightOnly},
      {"engine-dynamic", kEngineDynamic},
      {"static", kStatic},
      {"fp16", kHalf}};
  if (text == "auto") {
    std::vector<CompressionForm> all;
    for (const auto& [name, kind] : kNames) all.push_back({kind});
    return all;
  }
  for (const auto& [name, kind] : kNames) {
    if (text == name) return std::vector<CompressionForm>{{kind}};
  }
  constexpr std::string_view kPrefix = "prune=";
  CompressionForm prune{kPrune};
  if (text.starts_with(kPrefix)) {
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + kPrefix.size(), end, prune.share);
    if (read.ec == std::errc() && read.ptr == end && prune.share > 0 && prune.share < 1) {
      return std::vector<CompressionForm>{prune};
    }
  }
  return Invalid("form '" + std::string(text) +
                 "' is none of auto, dynamic, weight-only, engine-dynamic, static, fp16, "
                 "prune=SHARE with a share "
                 "between 0 and 1");
}

std::string CompressionFormName(const CompressionForm& form) {
  switch (form.kind) {
    case CompressionKind::kDynamic:
      return "dynamic";
    case CompressionKind::kWeightOnly:
      return "weight-only";
    case CompressionKind::kEngineDynamic:
      return "engine-dynamic";
    case CompressionKind::kStatic:
      return "static";
    case CompressionKind::kHalf:
      return "fp16";
    case CompressionKind::kPrune:
      break;
  }
  char share[32];
  std::snprintf(share, sizeof share, "%g", form.share);
  return std::string("prune=") + share;
}

Result<std::map<std::string, Range>> Calibrate(const onnx::Model& model, const Evaluation& rows,
                                               RangeMethod method, const LoadOnnx& load,
                                               const onnx::compress::Options& options) {
  const auto points = onnx::compress::CalibrationPoints(model, options);
  MUSTER_ASSIGN_OR_RETURN(const std::string bytes,
                          onnx::Write(onnx::compress::WithOutputs(model, points)));
  MUSTER_ASSIGN_OR_RETURN(const auto loaded, load(bytes));
  std::map<std::string, RangeObserver> observers;
  for (const std::string& point : points) observers[point];
  const auto pass = [&](void (RangeObserver::*add)(std::span<const float>)) {
    return Observe(*loaded, rows, [&](const std::string& name, const std::vector<float>& values) {
      if (const auto found = observers.find(name); found != observers.end()) {
        (found->second.*add)(values);
      }
    });
  };
  MUSTER_RETURN_IF_ERROR(pass(&RangeObserver::AddExtremes));
  if (method != RangeMethod::kMinMax) MUSTER_RETURN_IF_ERROR(pass(&RangeObserver::AddCounts));
  std::map<std::string, Range> ranges;
  for (const auto& [name, observer] : observers) {
    auto range = observer.Find(method);
    if (!range.ok()) return range.error().With("calibration of '" + name + "'");
    ranges[name] = *range;
  }
  return ranges;
}

Result<Compressed> BuildForm(const onnx::Model& model, const CompressionForm& form,
                             const Evaluation& calibration, const LoadOnnx& load) {
  const auto build = [&]() -> Result<Compressed> {
    switch (form.kind) {
      case CompressionKind::kDynamic:
        return onnx::compress::QuantizeDynamic(model);
      case CompressionKind::kWeightOnly:
        return onnx::compress::QuantizeWeights(model);
      case CompressionKind::kEngineDynamic: {
        MUSTER_ASSIGN_OR_RETURN(auto weights, onnx::compress::QuantizeWeights(model));
        weights.model.metadata[std::string(kActivationGroupKey)] = kActivationGroup;
        return weights;
      }
      case CompressionKind::kStatic:
        return BestStatic(model, calibration, load);
      case CompressionKind::kHalf:
        return onnx::compress::ToHalf(model);
      case CompressionKind::kPrune:
        break;
    }
    return onnx::compress::Prune(model, form.share, onnx::compress::PruneScope::kGlobal);
  };
  MUSTER_ASSIGN_OR_RETURN(Compressed built, build());
  if (built.rewritten() == 0) return Invalid(LeftText(built));
  return built;
}

Evaluation RowsOf(const Evaluation& evaluation, std::int64_t begin, std::int64_t count) {
  const std::int64_t rows = evaluation.rows();
  Evaluation part = evaluation;
  for (Tensor& input : part.inputs) {
    input.shape[0] = count;
    input.bytes = RowsOf(input.bytes, rows, begin, count);
  }
  for (TensorSpec& output : part.outputs) output.shape[0] = count;
  part.labels = RowsOf(part.labels, rows, begin, count);
  part.targets = RowsOf(part.targets, rows, begin, count);
  part.reference = RowsOf(part.reference, rows, begin, count);
  return part;
}

}  // namespace muster::registry
