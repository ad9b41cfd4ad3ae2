#include "registry/evaluation.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "registry/tensor_values.h"
#include "runtime/base/check.h"

namespace muster::registry {
namespace {

/// Outputs that are computed at once, however many rows are asked for: a language model's are large.
constexpr std::int64_t kBatchFloats = std::int64_t{16} << 20;
constexpr std::string_view kInput = "input.", kReference = "reference.", kSegment = "segment.";

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

std::string Metadata(const SafetensorsFile& file, const std::string& key, const char* missing) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? missing : found->second;
}

/// The tensors of a file by what they are; names without their prefix.
struct Parts {
  std::vector<Tensor> inputs;
  std::vector<const Tensor*> references;
};

Result<Parts> PartsOf(const SafetensorsFile& file) {
  Parts parts;
  if (Metadata(file, "format", "1") == "1") {
    MUSTER_ASSIGN_OR_RETURN(const Tensor* inputs, file.Find("inputs"));
    MUSTER_ASSIGN_OR_RETURN(const Tensor* reference, file.Find("reference"));
    parts.inputs.push_back(*inputs);
    parts.references.push_back(reference);
    return parts;
  }
  for (const Tensor& tensor : file.tensors) {
    if (tensor.name.starts_with(kInput)) {
      parts.inputs.push_back(tensor);
      parts.inputs.back().name = tensor.name.substr(kInput.size());
    }
    if (tensor.name.starts_with(kReference)) parts.references.push_back(&tensor);
  }
  if (parts.inputs.empty() || parts.references.empty()) {
    return Invalid("evaluation.safetensors: no tensor 'input.<name>' or none 'reference.<name>'");
  }
  return parts;
}

std::int64_t Last(const TensorSpec& spec) { return spec.shape.size() < 2 ? 1 : spec.shape.back(); }

/// A row's outputs one after another.
std::vector<float> Joined(const std::vector<std::vector<float>>& outputs, std::int64_t rows) {
  if (outputs.size() == 1) return outputs[0];
  std::vector<float> joined;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (const auto& output : outputs) {
      const auto width = static_cast<std::int64_t>(output.size()) / rows;
      joined.insert(joined.end(), output.begin() + row * width, output.begin() + (row + 1) * width);
    }
  }
  return joined;
}

Status ReadReferences(const Parts& parts, Evaluation& evaluation) {
  const std::int64_t rows = evaluation.rows();
  std::vector<std::vector<float>> outputs;
  for (const Tensor* reference : parts.references) {
    if (reference->type != ElementType::kF32 || reference->shape.empty() ||
        reference->shape[0] != rows || reference->bytes.empty()) {
      return Wrong(*reference,
                   "(" + std::to_string(rows) + ", ...) of FP32, as many rows as the inputs");
    }
    const std::string name =
        reference->name == "reference" ? "" : reference->name.substr(kReference.size());
    evaluation.outputs.push_back({name, ElementType::kF32, reference->shape});
    outputs.push_back(Values<float>(*reference));
  }
  evaluation.reference = Joined(outputs, rows);
  evaluation.classes = Last(evaluation.outputs[0]);
  return Ok();
}

/// The outputs that a task has; `wanted` says so in words.
Status CheckOutputs(const Evaluation& evaluation, const Parts& parts) {
  const TensorSpec& first = evaluation.outputs[0];
  const std::size_t wanted = evaluation.task == Task::kRetrieval ? 2 : 1;
  if (evaluation.outputs.size() != wanted) {
    return Invalid("evaluation.safetensors: " + std::to_string(evaluation.outputs.size()) +
                   " references; " + std::string(TaskName(evaluation.task)) + " wants " +
                   std::to_string(wanted));
  }
  const std::size_t rank = first.shape.size();
  const std::string rows = "(" + std::to_string(evaluation.rows());
  const std::int64_t last = Last(first);
  switch (evaluation.task) {
    case Task::kClasses:
      if (rank == 2 && last >= 2) return Ok();
      return Wrong(*parts.references[0], rows + ", C) of FP32 with C >= 2");
    case Task::kTokens:
      if (rank == 3 && last >= 2) return Ok();
      return Wrong(*parts.references[0], rows + ", T, V) of FP32 with V >= 2");
    case Task::kBinary:
      if (rank <= 2 && last <= 2) return Ok();
      return Wrong(*parts.references[0], rows + ", 2), " + rows + ", 1) or " + rows + ") of FP32");
    case Task::kRegression:
      if (rank <= 2) return Ok();
      return Wrong(*parts.references[0], rows + ", K) or " + rows + ") of FP32");
    case Task::kRetrieval:
      if (rank == 2 && evaluation.outputs[1].shape == first.shape) return Ok();
      return Wrong(*parts.references[1],
                   rows + ", D) of FP32, as the first output " + ShapeText(first.shape));
  }
  return Internal("no such task");
}

Status ReadTargets(const SafetensorsFile& file, Evaluation& evaluation) {
  MUSTER_ASSIGN_OR_RETURN(const Tensor* targets, file.Find("targets"));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t count, ElementCount(targets->shape));
  if (targets->type != ElementType::kF32 || targets->shape.empty() ||
      targets->shape[0] != evaluation.rows() ||
      count != static_cast<std::int64_t>(evaluation.reference.size())) {
    return Wrong(*targets, ShapeText(evaluation.outputs[0].shape) + " of FP32, as the outputs");
  }
  evaluation.targets = Values<float>(*targets);
  return Ok();
}

Status ReadLabels(const SafetensorsFile& file, Evaluation& evaluation) {
  MUSTER_ASSIGN_OR_RETURN(const Tensor* labels, file.Find("labels"));
  std::vector<std::int64_t> shape = {evaluation.rows()};
  if (evaluation.task == Task::kTokens) shape.push_back(evaluation.outputs[0].shape[1]);
  if (labels->type != ElementType::kI64 || labels->shape != shape) {
    return Wrong(*labels, ShapeText(shape) + " of INT64");
  }
  evaluation.labels = Values<std::int64_t>(*labels);
  if (evaluation.task == Task::kRetrieval) return Ok();
  const std::int64_t most = evaluation.task == Task::kBinary ? 1 : evaluation.classes - 1;
  const bool absent = evaluation.task == Task::kTokens;
  for (const std::int64_t label : evaluation.labels) {
    if ((label >= 0 || absent) && label <= most) continue;
    return Invalid("evaluation.safetensors: label " + std::to_string(label) + "; wanted 0 to " +
                   std::to_string(most));
  }
  return Ok();
}

Result<double> ThresholdOf(const SafetensorsFile& file) {
  const std::string text = Metadata(file, "threshold", "0.5");
  double threshold = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threshold);
  if (error == std::errc() && end == text.data() + text.size() && threshold > 0 && threshold < 1) {
    return threshold;
  }
  return Invalid("evaluation.safetensors: threshold '" + text + "'; wanted a probability");
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

/// Where each of the rows' outputs is among the model's.
Result<std::vector<std::size_t>> Places(const InferenceModel& model, const Evaluation& evaluation) {
  if (model.inputs().size() != evaluation.inputs.size() ||
      model.outputs().size() != evaluation.outputs.size()) {
    return Invalid("the model has " + std::to_string(model.inputs().size()) + " inputs and " +
                   std::to_string(model.outputs().size()) + " outputs, the held-out rows " +
                   std::to_string(evaluation.inputs.size()) + " and " +
                   std::to_string(evaluation.outputs.size()));
  }
  if (evaluation.outputs.size() == 1) return std::vector<std::size_t>{0};
  std::vector<std::size_t> places;
  for (const TensorSpec& output : evaluation.outputs) {
    const auto found = std::ranges::find(model.outputs(), output.name, &TensorSpec::name);
    if (found == model.outputs().end()) {
      return Invalid("the model has no output '" + output.name + "'; it has " +
                     NamesText(model.outputs()));
    }
    places.push_back(static_cast<std::size_t>(found - model.outputs().begin()));
  }
  return places;
}

Status ReadSegments(const SafetensorsFile& file, Evaluation& evaluation) {
  for (const Tensor& tensor : file.tensors) {
    if (!tensor.name.starts_with(kSegment)) continue;
    if (tensor.type != ElementType::kI64 || tensor.shape != std::vector{evaluation.rows()}) {
      return Wrong(tensor, "(" + std::to_string(evaluation.rows()) + ") of INT64");
    }
    evaluation.segments[tensor.name.substr(kSegment.size())] = Values<std::int64_t>(tensor);
  }
  return Ok();
}

}  // namespace

Result<Evaluation> EvaluationFromTensors(const SafetensorsFile& file) {
  Evaluation evaluation;
  MUSTER_ASSIGN_OR_RETURN(evaluation.task, TaskFromName(Metadata(file, "task", "classes")));
  MUSTER_ASSIGN_OR_RETURN(evaluation.threshold, ThresholdOf(file));
  MUSTER_ASSIGN_OR_RETURN(Parts parts, PartsOf(file));
  evaluation.inputs = std::move(parts.inputs);
  for (const Tensor& input : evaluation.inputs) {
    if (input.shape.empty() || input.shape[0] < 1 || input.shape[0] != evaluation.rows()) {
      return Wrong(input, "(N, ...) with N >= 1 and the same for all");
    }
  }
  MUSTER_RETURN_IF_ERROR(ReadReferences(parts, evaluation));
  MUSTER_RETURN_IF_ERROR(CheckOutputs(evaluation, parts));
  MUSTER_RETURN_IF_ERROR(evaluation.task == Task::kRegression ? ReadTargets(file, evaluation)
                                                              : ReadLabels(file, evaluation));
  MUSTER_RETURN_IF_ERROR(ReadSegments(file, evaluation));
  return evaluation;
}

Result<std::vector<float>> Logits(InferenceModel& model, const Evaluation& evaluation,
                                  std::int64_t batch) {
  return FirstLogits(model, evaluation, evaluation.rows(), batch);
}

Result<std::vector<float>> FirstLogits(InferenceModel& model, const Evaluation& evaluation,
                                       std::int64_t rows, std::int64_t batch) {
  MUSTER_CHECK(batch > 0, "a batch has rows");
  MUSTER_CHECK(rows <= evaluation.rows(), "rows that there are");
  MUSTER_ASSIGN_OR_RETURN(const auto places, Places(model, evaluation));
  std::vector<std::vector<float>> all(evaluation.outputs.size());
  batch = std::clamp<std::int64_t>(kBatchFloats / std::max<std::int64_t>(1, evaluation.width()), 1,
                                   batch);
  for (std::int64_t begin = 0; begin < rows; begin += batch) {
    const std::int64_t count = std::min(batch, rows - begin);
    std::vector<Tensor> inputs;
    for (const Tensor& input : evaluation.inputs) {
      const bool alone = evaluation.inputs.size() == 1;
      inputs.push_back(Slice(input, alone ? model.inputs()[0].name : input.name, begin, count));
    }
    MUSTER_ASSIGN_OR_RETURN(const auto outputs, model.Infer(inputs));
    MUSTER_CHECK(outputs.size() == all.size(), "Infer answers what outputs() says");
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Tensor& output = outputs[places[i]];
      std::vector<std::int64_t> wanted = evaluation.outputs[i].shape;
      wanted[0] = count;
      if (FractionBits(output.type) == 0 || output.shape != wanted) {
        return Invalid("the model's output '" + output.name + "' has shape " +
                       ShapeText(output.shape) + " of " +
                       std::string(ElementTypeName(output.type)) + "; wanted " + ShapeText(wanted) +
                       " of FP32 or another float");
      }
      const auto values = ValuesAs<float>(output);
      all[i].insert(all[i].end(), values.begin(), values.end());
    }
  }
  return Joined(all, rows);
}

}  // namespace muster::registry
