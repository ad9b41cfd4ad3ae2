#include "registry/serve/watch.h"

#include <utility>

#include "registry/monitor/report.h"
#include "registry/serve/memory.h"
#include "runtime/base/file.h"

namespace muster::registry::serve {

Result<std::shared_ptr<Watch>> Watch::Open(const ModelLocation& location,
                                           const WatchOptions& options, const Clock& clock) {
  const auto file = location.directory / "baseline.json";
  const auto text = ReadWholeFile(file, monitor::kBaselineBytesMost);
  if (!text.ok()) {
    if (text.error().kind == ErrorKind::kNotFound) return std::shared_ptr<Watch>();
    return text.error();
  }
  auto baseline = monitor::ParseBaseline(*text);
  if (!baseline.ok()) return baseline.error().With(file.string());
  return std::make_shared<Watch>(location, std::move(*baseline), options, clock);
}

Watch::Watch(ModelLocation location, monitor::Baseline baseline, const WatchOptions& options,
             const Clock& clock)
    : location_(std::move(location)),
      options_(options),
      clock_(clock),
      monitor_(std::move(baseline), options_.monitor, clock_.UnixNow()),
      begun_(clock_.Now()),
      cpu_before_ms_(CpuMilliseconds()) {}

void Watch::Observe(const monitor::Observation& observation) {
  const std::lock_guard lock(mutex_);
  monitor_.Observe(observation);
}

Result<Watch::Labelled> Watch::Outcome(const monitor::OutcomeLabel& label) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const auto joined, monitor_.Join(label));
  Labelled labelled{joined.state, std::nullopt};
  if (joined.state == monitor::JoinState::kJoined && monitor_.baseline().has_classes()) {
    labelled.right = joined.prediction.at(0) == label.values[0];
  }
  return labelled;
}

WatchedWindow Watch::Report(const monitor::Window& window) const {
  const auto report = monitor::MakeReport(monitor_.baseline(), window, options_.drift);
  return {location_.name,
          std::to_string(location_.version),
          window.ended_ms,
          monitor::ToJson(window),
          monitor::ReportJson(monitor_.baseline(), window, report),
          report.metrics};
}

std::optional<WatchedWindow> Watch::Turn() {
  const MonotonicTime now = clock_.Now();
  std::unique_lock lock(mutex_);
  if (now - begun_ < options_.window) return std::nullopt;
  begun_ = now;
  monitor::Window closed = monitor_.CloseWindow(clock_.UnixNow());
  closed.resources = Used();
  cpu_before_ms_ += closed.resources->cpu_ms;
  lock.unlock();  // requests need not wait for the report; the baseline never changes
  WatchedWindow watched = Report(closed);
  lock.lock();
  reports_.push_back(watched.report);
  if (reports_.size() > kWindowsKept) reports_.pop_front();
  return watched;
}

monitor::Resources Watch::Used() const {
  return {CpuMilliseconds() - cpu_before_ms_, static_cast<std::int64_t>(ResidentBytes()), 1};
}

monitor::Window Watch::OpenWindow() const {
  monitor::Window open = monitor_.window();
  open.ended_ms = clock_.UnixNow();
  open.resources = Used();
  return open;
}

boost::json::object Watch::Describe() const {
  std::unique_lock lock(mutex_);
  monitor::Window open = OpenWindow();
  boost::json::array reports(reports_.begin(), reports_.end());
  lock.unlock();
  return {{"open", Report(open).report}, {"windows", std::move(reports)}};
}

std::string Watch::WindowText() const {
  const std::lock_guard lock(mutex_);
  return monitor::ToJson(OpenWindow());
}

}  // namespace muster::registry::serve
