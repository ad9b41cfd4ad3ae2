#pragma once

#include <cstdint>
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

/// A tensor of a file without its bytes, which lie at `begin` to `end` of the data.
struct PlacedTensor {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;
};

/// What stands before the data. For files that are too large to be in memory twice.
struct SafetensorsLayout {
  std::vector<PlacedTensor> tensors;  ///< in order of their bytes, without gaps
  std::map<std::string, std::string> metadata;
};

/// Length of the JSON header that follows the first 8 bytes of a file of `file_size` bytes. kCorrupt for a header
/// beyond 100 MB or the file.
Result<std::uint64_t> SafetensorsHeaderSize(std::string_view first_bytes, std::uint64_t file_size);
/// `header`: the JSON; `data_size`: bytes after it. kCorrupt as of ReadSafetensors.
Result<SafetensorsLayout> ReadSafetensorsHeader(std::string_view header, std::uint64_t data_size);
/// A file up to its data, which has the tensors' bytes in this order; `begin` and `end` are not read. Names must be
/// distinct and not "__metadata__".
std::string WriteSafetensorsHead(const std::vector<PlacedTensor>& tensors,
                                 const std::map<std::string, std::string>& metadata);

/// kCorrupt names the tensor, or the byte, that does not fit: a header beyond 100 MB or the file, an unknown
/// dtype, a shape that does not give the length, offsets that overlap or leave a gap.
Result<SafetensorsFile> ReadSafetensors(std::string_view bytes);

/// Tensors in the given order; names must be distinct and not "__metadata__", bytes must fit the shape.
std::string WriteSafetensors(const std::vector<Tensor>& tensors,
                             const std::map<std::string, std::string>& metadata = {});

}  // namespace muster::registry
