#pragma once

#include <string>
#include <string_view>

#include "registry/evaluation.h"

namespace muster::registry {

/// Triton's config.pbtxt: every version is served, for an alias may name any; the first dimension is a batch when
/// every input and output has it dynamic. Pure.
/// https://docs.nvidia.com/deeplearning/triton-inference-server/ "Model Configuration".
std::string TritonConfigText(std::string_view model, const ExportInfo& info);

}  // namespace muster::registry
