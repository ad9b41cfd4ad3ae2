#pragma once

#include <memory>
#include <string>

#include "registry/inference_engine.h"
#include "registry/serve/batcher.h"
#include "registry/serve/serving_stats.h"

namespace muster::registry::serve {

/// A version that is served. Requests hold it for as long as they compute with it.
struct ServedModel {
  std::string name, version;  ///< version in decimal
  std::shared_ptr<InferenceModel> model;
  std::unique_ptr<Batcher> batcher;  ///< null: requests are computed where they come in
  bool warm = false;                 ///< zeros were computed
  std::shared_ptr<ServingStats> stats;
};
using ServedPtr = std::shared_ptr<const ServedModel>;

}  // namespace muster::registry::serve
