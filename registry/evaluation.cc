#include "registry/evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

/// export.json as it stands.
struct End {
  std::string name;
  std::vector<std::int64_t> shape;
};
BOOST_DESCRIBE_STRUCT(End, (), (name, shape))
struct ExportFile {
  std::int64_t opset = 0;
  End input, output;
  std::map<std::string, double> metrics;
};
BOOST_DESCRIBE_STRUCT(ExportFile, (), (opset, input, output, metrics))

Error Wrong(const Tensor& tensor, std::string_view wanted) {
  return Invalid("evaluation.safetensors: '" + tensor.name + "' has shape " +
                 ShapeText(tensor.shape) + " of " + std::string(ElementTypeName(tensor.type)) +
                 "; wanted " + std::string(wanted));
}

template <typename T>
std::vector<T> Values(const Tensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(T));
  return values;
}

enum class Figure { kAccuracy, kErrorRate, kLoss };

Result<Figure> FigureOf(std::string_view metric) {
  const std::string_view last = metric.substr(metric.rfind('/') + 1);
  if (last == "accuracy") return Figure::kAccuracy;
  if (last == "error_rate") return Figure::kErrorRate;
  if (last == "loss" || last == "cross_entropy") return Figure::kLoss;
  return Invalid("metric '" + std::string(metric) +
                 "' cannot be computed from held-out rows; wanted a name that ends in accuracy, "
                 "error_rate, loss or cross_entropy");
}

/// The share of rows whose largest logit is the label's.
double Accuracy(const std::vector<float>& logits, const Evaluation& evaluation) {
  const std::int64_t classes = evaluation.classes;
  std::int64_t right = 0;
  for (std::int64_t row = 0; row < evaluation.rows(); ++row) {
    const float* first = logits.data() + row * classes;
    const bool finite = std::none_of(first, first + classes, [](float x) { return std::isnan(x); });
    const auto best = std::max_element(first, first + classes) - first;
    if (finite && best == evaluation.labels[static_cast<std::size_t>(row)]) ++right;
  }
  return static_cast<double>(right) / static_cast<double>(evaluation.rows());
}

/// Mean of log(sum(exp(logits))) - logit of the label, shifted by the largest so that nothing overflows.
double CrossEntropy(const std::vector<float>& logits, const Evaluation& evaluation) {
  const std::int64_t classes = evaluation.classes;
  double total = 0;
  for (std::int64_t row = 0; row < evaluation.rows(); ++row) {
    const float* first = logits.data() + row * classes;
    const double largest = *std::max_element(first, first + classes);
    double sum = 0;
    for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(first[c] - largest);
    total += largest + std::log(sum) - first[evaluation.labels[static_cast<std::size_t>(row)]];
  }
  return total / static_cast<double>(evaluation.rows());
}

/// Rows [begin, begin + count) of the inputs, under the model's own name for them.
Tensor Slice(const Tensor& inputs, const std::string& name, std::int64_t begin,
             std::int64_t count) {
  Tensor slice{name, inputs.type, inputs.shape, {}};
  slice.shape[0] = count;
  const std::size_t row = inputs.bytes.size() / static_cast<std::size_t>(inputs.shape[0]);
  const auto first = inputs.bytes.begin() + begin * static_cast<std::int64_t>(row);
  slice.bytes.assign(first, first + count * static_cast<std::int64_t>(row));
  return slice;
}

}  // namespace

Result<ExportInfo> ExportInfoFromJson(std::string_view text) {
  auto file = wire::Decode<ExportFile>(text);
  if (!file.ok()) return file.error().With("export.json");
  for (const End* end : {&file->input, &file->output}) {
    if (end->name.empty() || end->shape.empty()) {
      return Invalid("export.json: input and output need a name and a shape");
    }
  }
  ExportInfo info;
  info.opset = file->opset;
  info.input = {file->input.name, ElementType::kF32, file->input.shape};
  info.output = {file->output.name, ElementType::kF32, file->output.shape};
  info.metrics = std::move(file->metrics);
  return info;
}

std::string ToJson(const ExportInfo& info) {
  return wire::Encode(ExportFile{info.opset,
                                 {info.input.name, info.input.shape},
                                 {info.output.name, info.output.shape},
                                 info.metrics});
}

Result<Evaluation> EvaluationFromTensors(const SafetensorsFile& file) {
  MUSTER_ASSIGN_OR_RETURN(const Tensor* inputs, file.Find("inputs"));
  MUSTER_ASSIGN_OR_RETURN(const Tensor* labels, file.Find("labels"));
  MUSTER_ASSIGN_OR_RETURN(const Tensor* reference, file.Find("reference"));
  if (labels->type != ElementType::kI64 || labels->shape.size() != 1 || labels->shape[0] < 1) {
    return Wrong(*labels, "(N) of INT64 with N >= 1");
  }
  const std::int64_t rows = labels->shape[0];
  const std::string named = std::to_string(rows);
  if (inputs->shape.size() < 2 || inputs->shape[0] != rows) {
    return Wrong(*inputs, "(" + named + ", ...), a row a label");
  }
  if (reference->type != ElementType::kF32 || reference->shape.size() != 2 ||
      reference->shape[0] != rows || reference->shape[1] < 2) {
    return Wrong(*reference, "(" + named + ", C) of FP32 with C >= 2");
  }
  Evaluation evaluation;
  evaluation.inputs = *inputs;
  evaluation.labels = Values<std::int64_t>(*labels);
  evaluation.classes = reference->shape[1];
  evaluation.reference = Values<float>(*reference);
  for (const std::int64_t label : evaluation.labels) {
    if (label < 0 || label >= evaluation.classes) {
      return Invalid("evaluation.safetensors: label " + std::to_string(label) + "; wanted 0 to " +
                     std::to_string(evaluation.classes - 1));
    }
  }
  return evaluation;
}

Result<std::vector<float>> Logits(InferenceModel& model, const Evaluation& evaluation,
                                  std::int64_t batch) {
  MUSTER_CHECK(batch > 0, "a batch has rows");
  if (model.inputs().size() != 1 || model.outputs().size() != 1) {
    return Invalid("the model has " + std::to_string(model.inputs().size()) + " inputs and " +
                   std::to_string(model.outputs().size()) + " outputs; gates want one of each");
  }
  std::vector<float> logits;
  logits.reserve(static_cast<std::size_t>(evaluation.rows() * evaluation.classes));
  for (std::int64_t begin = 0; begin < evaluation.rows(); begin += batch) {
    const std::int64_t count = std::min(batch, evaluation.rows() - begin);
    MUSTER_ASSIGN_OR_RETURN(
        const auto outputs,
        model.Infer({Slice(evaluation.inputs, model.inputs()[0].name, begin, count)}));
    MUSTER_CHECK(outputs.size() == 1, "Infer answers what outputs() says");
    const std::vector<std::int64_t> wanted = {count, evaluation.classes};
    if (outputs[0].type != ElementType::kF32 || outputs[0].shape != wanted) {
      return Invalid("the model's output '" + outputs[0].name + "' has shape " +
                     ShapeText(outputs[0].shape) + "; wanted " + ShapeText(wanted) + " of FP32");
    }
    const auto values = Values<float>(outputs[0]);
    logits.insert(logits.end(), values.begin(), values.end());
  }
  return logits;
}

Result<double> ComputeMetric(std::string_view metric, const std::vector<float>& logits,
                             const Evaluation& evaluation) {
  MUSTER_CHECK(logits.size() == static_cast<std::size_t>(evaluation.rows() * evaluation.classes),
               "logits are (N, C)");
  MUSTER_ASSIGN_OR_RETURN(const Figure figure, FigureOf(metric));
  switch (figure) {
    case Figure::kAccuracy:
      return Accuracy(logits, evaluation);
    case Figure::kErrorRate:
      return 1 - Accuracy(logits, evaluation);
    case Figure::kLoss:
      return CrossEntropy(logits, evaluation);
  }
  return Internal("no such figure");
}

Result<bool> HigherIsBetter(std::string_view metric) {
  MUSTER_ASSIGN_OR_RETURN(const Figure figure, FigureOf(metric));
  return figure == Figure::kAccuracy;
}

}  // namespace muster::registry
