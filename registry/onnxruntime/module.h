#pragma once

#include "registry/inference_engine.h"
#include "runtime/base/result.h"

namespace muster::registry {

/// What the module exports; runtime/modules loads it.
struct OnnxRuntimeModule {
  static constexpr const char* kFile = "muster-onnxruntime.so";
  static constexpr const char* kSymbol = "muster_onnxruntime";

  const char* version;  ///< of muster
  /// MakeOnnxRuntimeEngine of engine.h; the caller owns what it answers. A null `library` is the one that muster was
  /// configured with.
  Result<InferenceEngine*> (*make_engine)(const char* library);
};

}  // namespace muster::registry
