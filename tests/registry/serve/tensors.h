#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "registry/inference_engine.h"

namespace muster::registry::serve {

template <typename T>
Tensor MakeTensor(std::string name, ElementType type, std::vector<std::int64_t> shape,
                  const std::vector<T>& values) {
  Tensor tensor{std::move(name), type, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}
template <typename T>
std::vector<T> Values(const Tensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}
/// The bytes of values, as a binary body carries them.
template <typename T>
std::string Raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace muster::registry::serve
