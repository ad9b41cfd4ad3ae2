#include "runtime/server/rule_worker.h"

#include "runtime/base/log.h"

namespace muster::server {
namespace {

constexpr auto kTick = std::chrono::seconds(1);
constexpr std::int64_t kPage = 25'000;
constexpr int kMostPages = 40;  // of one metric's history: a million points
constexpr std::size_t kMostRemembered = 100'000;

}  // namespace

RuleWorker::RuleWorker(Parts parts) : parts_(std::move(parts)), thread_([this] { Loop(); }) {}

RuleWorker::~RuleWorker() { Stop(); }

void RuleWorker::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void RuleWorker::Observe(const RunId& run, const std::vector<tracker::Metric>& points) {
  if (!watching_ || points.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (waiting_.size() >= kMostWaiting) {
      dropped_ = true;
      return;
    }
    waiting_.emplace_back(run, points);
  }
  wake_.notify_all();
}

void RuleWorker::Reload() {
  watching_ = true;
  {
    const std::lock_guard lock(mutex_);
    reload_ = true;
  }
  wake_.notify_all();
}

void RuleWorker::Loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const bool load = std::exchange(reload_, false) || std::exchange(dropped_, false);
    std::deque<Points> taken;
    taken.swap(waiting_);
    lock.unlock();
    Status status = load ? Load() : Ok();
    for (const Points& points : taken) {
      if (status.ok()) status = Take(points);
    }
    if (status.ok()) status = LookForSilence();
    if (!status.ok()) LogWarning("rules", status.error().message);
    lock.lock();
    if (!status.ok()) reload_ = true;  // from the histories, when the store answers again
    const auto woken = [&] { return stopping_ || (status.ok() && (reload_ || !waiting_.empty())); };
    if (engine_.rules().empty() && status.ok()) {
      wake_.wait(lock, woken);
    } else {
      wake_.wait_for(lock, kTick, woken);
    }
  }
}

Status RuleWorker::Load() {
  MUSTER_ASSIGN_OR_RETURN(auto rules, parts_.rules.List());
  watching_ = !rules.empty();
  engine_ = tracker::RuleEngine(std::move(rules));
  seeded_.clear();
  experiments_.clear();
  MUSTER_ASSIGN_OR_RETURN(const auto unsettled, parts_.rules.Unsettled());
  for (const tracker::RuleFiring& firing : unsettled) {
    MUSTER_RETURN_IF_ERROR(Follow(firing.sequence, firing.finding));
  }
  return engine_.rules().empty() ? Ok() : SeedRunning();
}

Status RuleWorker::SeedRunning() {
  tracker::SearchQuery all;
  MUSTER_ASSIGN_OR_RETURN(const auto experiments, parts_.runs.SearchExperiments(all));
  tracker::SearchQuery running;
  running.filter = "attributes.status = 'RUNNING'";
  for (const auto& experiment : experiments.items) {
    running.experiment_ids.push_back(experiment.experiment_id);
  }
  MUSTER_ASSIGN_OR_RETURN(const auto runs, parts_.runs.SearchRuns(running));
  for (const tracker::Run& run : runs.items) {
    for (const tracker::Metric& metric : run.metrics) {
      if (!engine_.Watches(run.info.experiment_id, metric.key)) continue;
      MUSTER_RETURN_IF_ERROR(Seed(run.info.run_id, run.info.experiment_id, metric.key));
    }
  }
  return Ok();
}

Result<std::string> RuleWorker::ExperimentOf(const RunId& run) {
  if (const auto found = experiments_.find(run); found != experiments_.end()) return found->second;
  MUSTER_ASSIGN_OR_RETURN(const auto read, parts_.runs.GetRun(run));
  if (experiments_.size() >= kMostRemembered) experiments_.clear();
  return experiments_[run] = read.info.experiment_id;
}

Status RuleWorker::Seed(const RunId& run, const std::string& experiment_id,
                        const std::string& metric) {
  if (seeded_.size() >= kMostRemembered) seeded_.clear();
  if (!seeded_.emplace(run, metric).second) return Ok();
  std::string token;
  for (int page = 0; page < kMostPages; ++page) {
    MUSTER_ASSIGN_OR_RETURN(const auto points,
                            parts_.runs.MetricHistory(run, metric, kPage, token));
    for (const tracker::Metric& point : points.items) {
      MUSTER_RETURN_IF_ERROR(
          React(engine_.Observe(run, experiment_id, {&point, 1}, point.timestamp_ms)));
    }
    token = points.next_page_token;
    if (token.empty()) break;
  }
  return Ok();
}

Status RuleWorker::Take(const Points& points) {
  const auto& [run, metrics] = points;
  const auto experiment = ExperimentOf(run);
  if (!experiment && experiment.error().kind == ErrorKind::kNotFound) return Ok();  // gone since
  MUSTER_ASSIGN_OR_RETURN(const std::string experiment_id, experiment);
  for (const tracker::Metric& metric : metrics) {
    if (!engine_.Watches(experiment_id, metric.key)) continue;
    MUSTER_RETURN_IF_ERROR(Seed(run, experiment_id, metric.key));
  }
  return React(engine_.Observe(run, experiment_id, metrics, parts_.clock.UnixNow()));
}

Status RuleWorker::LookForSilence() {
  auto silent = engine_.Tick(parts_.clock.UnixNow());
  std::erase_if(silent, [&](const tracker::Finding& finding) {
    const auto run = parts_.runs.GetRun(finding.run);
    const bool over =
        run && (run->info.deleted || run->info.status != tracker::RunStatus::kRunning);
    if (over) engine_.End(finding.run);
    return over;
  });
  return React(silent);
}

Status RuleWorker::React(const std::vector<tracker::Finding>& findings) {
  for (const tracker::Finding& finding : findings) {
    MUSTER_ASSIGN_OR_RETURN(const auto sequence, parts_.rules.Claim(finding));
    if (!sequence) continue;
    LogInfo("rules", finding.text);
    MUSTER_RETURN_IF_ERROR(Follow(*sequence, finding));
  }
  return Ok();
}

Status RuleWorker::Follow(std::int64_t sequence, const tracker::Finding& finding) {
  std::string outcome;
  const auto add = [&](const std::string& what, const Status& status) {
    outcome += (outcome.empty() ? "" : "; ") + what;
    if (!status.ok()) outcome += ": " + status.error().message;
  };
  for (const tracker::Rule& rule : engine_.rules()) {
    if (rule.name != finding.rule) continue;
    if (rule.stop) {
      const Status stopped = parts_.stop(finding.run);
      if (!stopped.ok() && stopped.error().kind == ErrorKind::kUnavailable) return stopped;
      add("stop", stopped);
    }
    if (!rule.webhook_id.empty()) {
      const std::string source = "rule/" + std::to_string(sequence);
      add("web hook " + rule.webhook_id, parts_.tell(rule.webhook_id, source, finding));
    }
  }
  return parts_.rules.Settle(sequence, outcome.empty() ? "its rule is gone" : outcome);
}

}  // namespace muster::server
