#pragma once

#include <string>

#include "registry/onnx/graph.h"
#include "runtime/cli/context.h"

namespace muster::cli {

/// The ONNX model of a version in the registry ("digits@champion", "digits/3").
Result<onnx::Model> ReadVersion(const Context& context, http::Client& client,
                                const std::string& name);

}  // namespace muster::cli
