#pragma once

#include <memory>

#include "registry/inference_engine.h"

namespace muster::registry {

/// OpenVINO's CPU engine, tuned for the latency of one request: f32 as the model says, and a pool of
/// infer requests a model, so that threads do not wait for each other. Models may have a dynamic batch
/// and any of the types of ElementType.
std::unique_ptr<InferenceEngine> MakeOpenVinoEngine();

}  // namespace muster::registry
