#pragma once

#include <filesystem>

#include "registry/inference_engine.h"

namespace muster::registry {

/// What the module exports; runtime/modules loads it.
struct OpenVinoModule {
  static constexpr const char* kFile = "muster-openvino.so";
  static constexpr const char* kSymbol = "muster_openvino";

  const char* version;  ///< of muster
  /// MakeOpenVinoEngine of engine.h; the caller owns what it answers.
  InferenceEngine* (*make_engine)();
  /// OpenVinoFolder.
  Result<std::filesystem::path> (*folder)();
};

}  // namespace muster::registry
