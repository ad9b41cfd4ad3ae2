#include "registry/serve/batch.h"

#include <algorithm>
#include <numeric>

namespace muster::registry::serve {
namespace {

const Tensor* Named(const std::vector<Tensor>& tensors, const std::string& name) {
  const auto found = std::ranges::find(tensors, name, &Tensor::name);
  return found == tensors.end() ? nullptr : &*found;
}

bool RowsAlike(const Tensor& one, const Tensor& other) {
  return one.type == other.type && one.shape.size() == other.shape.size() && !one.shape.empty() &&
         std::equal(one.shape.begin() + 1, one.shape.end(), other.shape.begin() + 1);
}

}  // namespace

bool TakesRows(const InferenceModel& model) {
  const auto open = [](const TensorSpec& spec) {
    return !spec.shape.empty() && spec.shape[0] == -1;
  };
  return !model.inputs().empty() && std::ranges::all_of(model.inputs(), open) &&
         std::ranges::all_of(model.outputs(), open);
}

std::optional<std::int64_t> RowsOf(const std::vector<Tensor>& inputs) {
  if (inputs.empty() || inputs[0].shape.empty()) return std::nullopt;
  const std::int64_t rows = inputs[0].shape[0];
  const bool same = std::ranges::all_of(
      inputs, [&](const Tensor& input) { return !input.shape.empty() && input.shape[0] == rows; });
  return same ? std::optional(rows) : std::nullopt;
}

bool CanJoin(const std::vector<Tensor>& one, const std::vector<Tensor>& other) {
  if (one.size() != other.size() || !RowsOf(one) || !RowsOf(other)) return false;
  return std::ranges::all_of(one, [&](const Tensor& tensor) {
    const Tensor* twin = Named(other, tensor.name);
    return twin != nullptr && RowsAlike(tensor, *twin);
  });
}

std::vector<Tensor> Join(const std::vector<const std::vector<Tensor>*>& requests) {
  std::vector<Tensor> joined;
  for (const Tensor& first : *requests[0]) {
    Tensor& tensor = joined.emplace_back(Tensor{first.name, first.type, first.shape, {}});
    std::size_t bytes = 0;
    tensor.shape[0] = 0;
    for (const auto* request : requests) {
      const Tensor& part = *Named(*request, first.name);
      tensor.shape[0] += part.shape[0];
      bytes += part.bytes.size();
    }
    tensor.bytes.reserve(bytes);
    for (const auto* request : requests) {
      const Tensor& part = *Named(*request, first.name);
      tensor.bytes.insert(tensor.bytes.end(), part.bytes.begin(), part.bytes.end());
    }
  }
  return joined;
}

Result<std::vector<std::vector<Tensor>>> Split(const std::vector<Tensor>& outputs,
                                               const std::vector<std::int64_t>& rows) {
  const std::int64_t all = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  for (const Tensor& output : outputs) {
    if (output.shape.empty() || output.shape[0] != all) {
      return Internal("output '" + output.name + "' has shape " + ShapeText(output.shape) +
                      " for a batch of " + std::to_string(all) + " rows");
    }
  }
  std::vector<std::vector<Tensor>> answers;
  std::int64_t begin = 0;
  for (const std::int64_t count : rows) {
    std::vector<Tensor>& answer = answers.emplace_back();
    for (const Tensor& output : outputs) {
      const auto row =
          static_cast<std::ptrdiff_t>(output.bytes.size()) / std::max<std::int64_t>(all, 1);
      const auto first = output.bytes.begin() + begin * row;
      Tensor& part = answer.emplace_back(
          Tensor{output.name, output.type, output.shape, {first, first + count * row}});
      part.shape[0] = count;
    }
    begin += count;
  }
  return answers;
}

}  // namespace muster::registry::serve
