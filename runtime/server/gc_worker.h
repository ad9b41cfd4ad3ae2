#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "tracker/gc/collect.h"

namespace muster::server {

/// What a server deletes for good by itself.
struct GcSchedule {
  /// At the start, then after such pauses; absent: only when asked.
  std::optional<std::chrono::milliseconds> every;
  std::chrono::milliseconds older_than{tracker::kDefaultOlderThanMs};
};

struct GcState {
  std::int64_t id = 0;  ///< counts from 1
  bool running = false;
  tracker::GcReport report;
  std::optional<Error> error;  ///< why it ended
};

/// Deletes for good on a thread of its own, when asked and by its schedule, one at a time.
class GcWorker {
 public:
  /// `parts` and all in it outlive the worker.
  explicit GcWorker(tracker::GcParts parts, GcSchedule schedule = {});
  /// Stops after the step that is under way; the next one does the rest.
  ~GcWorker();
  GcWorker(const GcWorker&) = delete;
  GcWorker& operator=(const GcWorker&) = delete;

  /// Begins one. kInvalid; kConflict while another one is under way. Any thread.
  Result<GcState> Begin(tracker::GcPolicy policy);
  /// The newest one, or one of the last kRemembered. kNotFound.
  Result<GcState> Newest() const;
  Result<GcState> Get(std::int64_t id) const;

  static constexpr std::size_t kRemembered = 16;

 private:
  void Loop();
  void Run(const tracker::GcPolicy& policy);
  GcState& Add(tracker::GcPolicy policy);  // mutex_ is held

  tracker::GcParts parts_;
  const GcSchedule schedule_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;  // guards the two below
  std::map<std::int64_t, GcState> states_;
  std::optional<tracker::GcPolicy> wanted_;  // of the newest state, until the thread takes it
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace muster::server
