#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "registry/onnx/graph.h"
#include "runtime/base/result.h"

namespace muster::onnx {

/// A protobuf message has a 32-bit length in every implementation, so no file may reach 2 GiB.
inline constexpr std::size_t kMaxModelBytes = (std::size_t{1} << 31) - 1;

/// Takes the next bytes of a file; an error ends the writing and is answered.
using Sink = std::function<Status(std::string_view bytes)>;

/// A second file for weights, which lies beside the model's and has no such limit: onnx.proto's
/// external_data, with offsets that are multiples of 4096, so that the file can be mapped.
struct WeightFile {
  std::string name;              ///< of the file, without a folder
  std::size_t bytes_min = 1024;  ///< smaller weights stay in the model's file
  Sink sink;
};

/// Hands the bytes of a `.onnx` file to `sink`: a ModelProto in protobuf's wire format, without a
/// second copy of the weights. The same model gives the same bytes everywhere and always.
/// kUnsupported, before anything is written, when they are more than `max_bytes`; nothing else is
/// checked: see `checker.h`.
Status Write(const Model& model, const Sink& sink, std::size_t max_bytes = kMaxModelBytes);
/// The same bytes as a string.
Result<std::string> Write(const Model& model, std::size_t max_bytes = kMaxModelBytes);
/// Weights first, to their own file.
Status WriteWithWeightFile(const Model& model, const Sink& sink, const WeightFile& weights);

/// What the initializers take.
std::size_t WeightBytes(const Model& model);

}  // namespace muster::onnx
