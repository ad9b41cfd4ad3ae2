#pragma once

#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "registry/inference_engine.h"
#include "registry/serve/batcher.h"
#include "registry/serve/serving_stats.h"
#include "registry/serve/watch.h"

namespace muster::registry::serve {

/// A version that is served. Requests hold it for as long as they compute with it.
struct ServedModel {
  /// Fulfilled when all that follows is gone, the model's memory with it. Its future is taken once.
  struct Gone {
    mutable std::promise<void> promise;
    ~Gone() { promise.set_value(); }
  } gone = {};

  std::string name, version;        ///< version in decimal
  std::filesystem::path directory;  ///< where it was loaded from
  std::shared_ptr<InferenceModel> model;
  std::unique_ptr<Batcher> batcher;  ///< null: requests are computed where they come in
  bool warm = false;                 ///< zeros were computed
  std::shared_ptr<ServingStats> stats;
  std::shared_ptr<Watch> watch;  ///< null: it is not watched
};
using ServedPtr = std::shared_ptr<const ServedModel>;

enum class ModelState { kReady, kLoading, kUnloading, kUnavailable };
/// "READY", ..., as Triton spells them.
std::string_view ModelStateName(ModelState state);

/// A model of the server's index.
struct IndexEntry {
  std::string name;
  std::optional<ModelState> state;  ///< nothing: in the repository, never loaded
  std::string version;
  std::string reason;  ///< why it is unavailable: "unloaded", or the error
};

}  // namespace muster::registry::serve
