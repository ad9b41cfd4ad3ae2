#include "registry/onnx/compress/weights.h"

#include <algorithm>
#include <cmath>

#include "registry/onnx/numbers.h"

namespace muster::onnx::compress {
namespace {

constexpr float kMostLevel = 127;

/// Calls visit(channel, index) for every element of a row-major tensor.
template <typename Visit>
void EachElement(const std::vector<std::int64_t>& dims, int axis, Visit&& visit) {
  std::size_t outer = 1, inner = 1;
  const auto place = static_cast<std::size_t>(axis);
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i != place) (i < place ? outer : inner) *= static_cast<std::size_t>(dims[i]);
  }
  std::size_t index = 0;
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t channel = 0; channel < static_cast<std::size_t>(dims[place]); ++channel) {
      for (std::size_t i = 0; i < inner; ++i) visit(channel, index++);
    }
  }
}

}  // namespace

Result<ChannelWeights> QuantizeChannels(const Tensor& weight, int axis,
                                        const std::vector<float>& floor) {
  const std::vector<float> values = *FloatsOf(weight);
  ChannelWeights result;
  result.scales.assign(static_cast<std::size_t>(weight.dims[static_cast<std::size_t>(axis)]), 0);
  bool finite = true;
  EachElement(weight.dims, axis, [&](std::size_t channel, std::size_t i) {
    finite = finite && std::isfinite(values[i]);
    result.scales[channel] = std::max(result.scales[channel], std::abs(values[i]));
  });
  if (!finite) return Invalid("weight '" + weight.name + "' holds NaN or infinity");
  for (std::size_t c = 0; c < result.scales.size(); ++c) {
    float& scale = result.scales[c];
    scale = std::max(scale / kMostLevel, floor.empty() ? 0.0F : floor[c]);
    // Below that, w / scale is no longer exact to the level; such a channel counts for nothing.
    if (scale < std::numeric_limits<float>::min()) scale = 1;
  }
  result.values = {"", DataType::kInt8, weight.dims, std::string(values.size(), '\0')};
  EachElement(weight.dims, axis, [&](std::size_t channel, std::size_t i) {
    const float level = std::nearbyint(values[i] / result.scales[channel]);
    result.values.bytes[i] = static_cast<char>(std::clamp(level, -kMostLevel, kMostLevel));
  });
  return result;
}

Tensor Transposed(const Tensor& matrix) {
  const std::vector<float> values = *FloatsOf(matrix);
  const auto rows = static_cast<std::size_t>(matrix.dims[0]);
  const auto columns = static_cast<std::size_t>(matrix.dims[1]);
  std::vector<float> turned(values.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) turned[c * rows + r] = values[r * columns + c];
  }
  return FloatTensor(matrix.name, {matrix.dims[1], matrix.dims[0]}, turned);
}

}  // namespace muster::onnx::compress
