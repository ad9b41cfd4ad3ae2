#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "trainer/trial.h"

namespace muster {

/// The tensors of a Batch by column; its header does without LibTorch.
struct Batch::Columns {
  std::map<std::string, at::Tensor, std::less<>> tensors;
};

}  // namespace muster
