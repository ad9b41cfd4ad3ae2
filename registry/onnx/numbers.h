#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "registry/onnx/graph.h"

/// A tensor's elements as numbers, and numbers as a tensor.

namespace muster::onnx {

/// True when `tensor` holds as many bytes as its shape and type want (no strings): what the functions below and
/// whoever walks the bytes rely on.
bool IsWhole(const Tensor& tensor);

/// The elements of a whole tensor of int64, int32, uint8, int8 or bool; nothing for any other.
std::optional<std::vector<std::int64_t>> IntsOf(const Tensor& tensor);
/// The elements of a whole tensor of float; nothing for any other.
std::optional<std::vector<float>> FloatsOf(const Tensor& tensor);

/// `values` narrowed to `type` (one that IntsOf reads) by dropping high bits; `dims` multiply to their number.
Tensor IntTensor(std::string name, DataType type, std::vector<std::int64_t> dims,
                 const std::vector<std::int64_t>& values);
Tensor FloatTensor(std::string name, std::vector<std::int64_t> dims,
                   const std::vector<float>& values);

}  // namespace muster::onnx
