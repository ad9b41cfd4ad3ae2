#include "runtime/server/gc_worker.h"

#include <utility>

#include "runtime/base/log.h"

namespace muster::server {

using tracker::GcPolicy;
using tracker::GcReport;

GcWorker::GcWorker(tracker::GcParts parts, GcSchedule schedule)
    : parts_(std::move(parts)), schedule_(schedule), thread_([this] { Loop(); }) {}

GcWorker::~GcWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

GcState& GcWorker::Add(GcPolicy policy) {
  const std::int64_t id = states_.empty() ? 1 : states_.rbegin()->first + 1;
  GcState& state = states_[id];
  state.id = id;
  state.running = true;
  state.report.dry_run = policy.dry_run;
  wanted_ = std::move(policy);
  if (states_.size() > kRemembered) states_.erase(states_.begin());
  return state;
}

Result<GcState> GcWorker::Begin(GcPolicy policy) {
  MUSTER_RETURN_IF_ERROR(CheckGcPolicy(policy));
  const std::lock_guard lock(mutex_);
  if (!states_.empty() && states_.rbegin()->second.running) {
    return Conflict("gc " + std::to_string(states_.rbegin()->first) +
                    " is under way; wait for its end");
  }
  const GcState state = Add(std::move(policy));
  wake_.notify_all();
  return state;
}

Result<GcState> GcWorker::Newest() const {
  const std::lock_guard lock(mutex_);
  if (states_.empty()) return NotFound("no gc was asked for since the server started");
  return states_.rbegin()->second;
}

Result<GcState> GcWorker::Get(std::int64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(id);
  if (found == states_.end()) return NotFound("gc " + std::to_string(id) + " is not known");
  return found->second;
}

void GcWorker::Loop() {
  auto due = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!wanted_ && schedule_.every && std::chrono::steady_clock::now() >= due) {
      GcPolicy policy;
      policy.older_than_ms = schedule_.older_than.count();
      Add(std::move(policy));
    }
    if (wanted_) {
      const GcPolicy policy = *std::exchange(wanted_, std::nullopt);
      lock.unlock();
      Run(policy);
      lock.lock();
      if (schedule_.every) due = std::chrono::steady_clock::now() + *schedule_.every;
      continue;
    }
    const auto wake = [this] { return stopping_ || wanted_; };
    if (schedule_.every) {
      wake_.wait_until(lock, due, wake);
    } else {
      wake_.wait(lock, wake);
    }
  }
}

void GcWorker::Run(const GcPolicy& policy) {
  const auto newest = [this]() -> GcState& { return states_.rbegin()->second; };
  const auto report = CollectGarbage(parts_, policy,
                                     {.progress =
                                          [&](const GcReport& so_far) {
                                            const std::lock_guard lock(mutex_);
                                            newest().report = so_far;
                                          },
                                      .stopped = [this] { return stopping_.load(); }});
  const std::lock_guard lock(mutex_);
  GcState& state = newest();
  state.running = false;
  if (!report.ok()) {
    state.error = report.error();
    if (!stopping_) LogWarning("tracker", "gc: " + report.error().message);
    return;
  }
  state.report = *report;
  if (policy.dry_run || report->experiments + report->runs + report->logged_models == 0) return;
  LogInfo("tracker", "gc: " + std::to_string(report->runs) + " runs, " +
                         std::to_string(report->logged_models) + " logged models and " +
                         std::to_string(report->experiments) + " experiments are gone for good");
}

}  // namespace muster::server
