#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "registry/inference_engine.h"
#include "registry/serve/serving_stats.h"
#include "runtime/base/clock.h"

namespace muster::registry::serve {

struct BatchOptions {
  std::int64_t rows = 1;  ///< most rows of a call; 1: each request is a call of its own
  /// How long the first request of a batch waits for others while an instance is free.
  std::chrono::microseconds delay{0};
  int instances = 1;        ///< calls at the same time, a thread each
  std::size_t queue = 512;  ///< requests that may wait
};

/// The call of the engine that a request was computed in.
struct Execution {
  std::int64_t rows = 0;  ///< of all its requests; 0: there was none
  bool first = false;     ///< said to one request of each call
  RequestTimes times;     ///< queue is the request's own; no total
  /// The request's own, for as long as the answer is being given; null where it was not computed.
  const std::vector<Tensor>* inputs = nullptr;
};

/// Puts requests that come at the same time through the model together. Safe from any thread.
class Batcher {
 public:
  /// From a thread of the batcher's.
  using Answer = std::function<void(Result<std::vector<Tensor>>, const Execution&)>;

  /// `clock` must outlive what was taken.
  Batcher(std::shared_ptr<InferenceModel> model, const BatchOptions& options,
          const Clock& clock = SystemClock());
  /// What was taken is answered before it returns; or after, where an answer drops the batcher itself.
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  /// False, and nothing is taken, when the queue is full. Else answers as InferenceModel::Infer, and kUnavailable when
  /// `deadline` passed before a call began. A request whose neighbours make their common call fail is computed by itself.
  [[nodiscard]] bool Infer(std::vector<Tensor> inputs, std::optional<MonotonicTime> deadline,
                           Answer answer);

  /// From here on nobody waits for others: no more are to come.
  void Hurry();

  [[nodiscard]] std::size_t waiting() const;

 private:
  class Queue;
  std::shared_ptr<Queue> queue_;  ///< its threads', too
  std::vector<std::thread> threads_;
};

}  // namespace muster::registry::serve
