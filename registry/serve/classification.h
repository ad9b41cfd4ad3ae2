#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "registry/inference_engine.h"

namespace muster::registry::serve {

/// An output as Triton's classification extension gives it (extension_classification.md): of each row the largest values,
/// falling, as "VALUE:INDEX".
struct Classes {
  std::vector<std::int64_t>
      shape;  ///< (rows, k); (k) of an output with fewer than two dimensions, which is one row
  std::vector<std::string> labels;  ///< row by row; NaN is smaller than everything
};

/// The `count` largest of each row, or all of them where there are fewer. `count` above 0.
Classes Classify(const Tensor& output, std::int64_t count);

}  // namespace muster::registry::serve
