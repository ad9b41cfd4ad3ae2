#pragma once

#include <cstddef>
#include <string>

#include "registry/onnx/graph.h"
#include "runtime/base/result.h"

namespace muster::onnx {

/// A protobuf message has a 32-bit length in every implementation, so no file may reach 2 GiB.
inline constexpr std::size_t kMaxModelBytes = (std::size_t{1} << 31) - 1;

/// The bytes of a `.onnx` file: a ModelProto in protobuf's wire format. The same model gives the
/// same bytes everywhere and always. kUnsupported when the weights do not fit `max_bytes`
/// (external data is not written); nothing else is checked: see `checker.h`.
Result<std::string> Write(const Model& model, std::size_t max_bytes = kMaxModelBytes);

}  // namespace muster::onnx
