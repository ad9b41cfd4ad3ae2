#pragma once

#include <filesystem>
#include <memory>

#include "registry/inference_engine.h"

namespace muster::registry {

/// OpenVINO's CPU engine, tuned for the latency of one request: f32 as the model says, and a pool of
/// infer requests a model, so that threads do not wait for each other. Models may have a dynamic batch
/// and any of the types of ElementType.
std::unique_ptr<InferenceEngine> MakeOpenVinoEngine();

/// Where the library lies that this process has loaded; its plugins and frontends lie beside it. kIo.
Result<std::filesystem::path> OpenVinoFolder();

}  // namespace muster::registry
