#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "registry/inference_engine.h"
#include "runtime/base/result.h"

/// The safetensors format (huggingface/safetensors, README "Format"): 8 bytes of little-endian header
/// length, a JSON header {"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__":
/// {text: text}}, then the data, without gaps. Python and LibTorch users read the same files. Pure; any
/// bytes may be handed to the reader.

namespace muster::registry {

struct SafetensorsFile {
  std::vector<Tensor> tensors;  ///< in order of their bytes
  std::map<std::string, std::string> metadata;

  /// kNotFound lists the names that are there.
  [[nodiscard]] Result<const Tensor*> Find(std::string_view name) const;
};

/// kCorrupt names the tensor, or the byte, that does not fit: a header beyond 100 MB or the file, an unknown
/// dtype, a shape that does not give the length, offsets that overlap or leave a gap.
Result<SafetensorsFile> ReadSafetensors(std::string_view bytes);

/// Tensors in the given order; names must be distinct and not "__metadata__", bytes must fit the shape.
std::string WriteSafetensors(const std::vector<Tensor>& tensors,
                             const std::map<std::string, std::string>& metadata = {});

}  // namespace muster::registry
