#pragma once

#include <string>

#include "trainer/export/call.h"

/// What the layers over images have in common: inputs [N, C, ...] with one to three spatial
/// dimensions. Private to trainer/export.

namespace muster::exporting {

/// begins, then ends: the same pads on both sides.
Ints Twice(const Ints& pads);

/// The last `dims` sizes of a tensor [N, C, ...]; fails where they depend on the batch.
Ints Spatial(Call& call, const TensorType& type, std::size_t dims);

/// ONNX's layers want [N, C, ...]: an input without N gets one between Open and Close.
struct Batched {
  Call& call;
  TensorType type;
  bool added = false;

  std::string Open(const char* name, std::size_t dims);
  void Close(const std::string& value) const;
};

}  // namespace muster::exporting
