#pragma once

#include <memory>
#include <string>

#include "registry/batch/predictions.h"
#include "registry/inference_engine.h"
#include "runtime/cli/context.h"

namespace muster::cli {

/// What `muster predict` asks.
struct PredictModel {
  std::shared_ptr<registry::InferenceModel> model;
  std::string version;  ///< "3"
  std::string sha256;   ///< of model.onnx and its data; empty of a model server's
  std::string engine;   ///< "OpenVINO 2026.4.1", or the server's URL
  /// What its package says it is for.
  registry::Decision decision = registry::Decision::kUnknown;
};

/// `name`: what --model takes. A model server is asked by the Open Inference Protocol with binary tensors; that it
/// went over to another version meanwhile is kConflict. `threads` 0: the engine's choice.
Result<PredictModel> OpenPredictModel(const Context& context, const std::string& name, int threads);

}  // namespace muster::cli
