#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "registry/inference_engine.h"
#include "registry/rollout/output_difference.h"
#include "runtime/base/clock.h"

namespace muster::registry::serve {

struct ShadowOptions {
  std::size_t queue = 64;   ///< copies that may wait; one more is dropped and counted
  double tolerance = 1e-3;  ///< OutputDifference's
};

/// Lets a version compute copies of requests that another has answered, on a thread of its own at low priority, and
/// compares the answers. Any thread.
class Shadow {
 public:
  Shadow(std::shared_ptr<InferenceModel> model, const ShadowOptions& options, const Clock& clock);
  ~Shadow();  ///< what waits is dropped
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;

  /// Whether a copy would be taken now: nobody should make one in vain. False is counted as a drop.
  [[nodiscard]] bool HasRoom();
  void Add(std::vector<Tensor> inputs, std::vector<Tensor> outputs);

  /// {"compared", "dropped", "failed", "same", "same_interval", ..., "mean_ms"}
  [[nodiscard]] boost::json::object Describe() const;

 private:
  struct Copy {
    std::vector<Tensor> inputs, outputs;
  };
  void Run();
  void Compare(const Copy& copy);

  const std::shared_ptr<InferenceModel> model_;
  const ShadowOptions options_;
  const Clock& clock_;
  mutable std::mutex mutex_;  ///< guards what follows; never held during an inference
  std::condition_variable more_;
  std::deque<Copy> copies_;
  OutputDifference difference_;
  std::uint64_t compared_ = 0, dropped_ = 0, failed_ = 0;
  double sum_ms_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace muster::registry::serve
