#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/clock.h"
#include "tracker/rule_store.h"
#include "tracker/rules.h"
#include "tracker/run_store.h"

namespace muster::server {

/// Watches runs by the store's rules, on a thread of its own.
///
/// 1. Points that have become durable are handed in; without rules they are dropped at once.
/// 2. Of a metric that is new to this process (after a start, or when the rules change) the history is read from the
///    run store first, so rules see all of it. Running runs are looked at so from the start.
/// 3. A finding is claimed in the rule store; if it is new, its web hook is told and its trial stopped, then it is
///    settled. What a killed server claimed and did not settle is done by the next one: at least once.
class RuleWorker {
 public:
  struct Parts {
    tracker::RuleStore& rules;
    tracker::RunStore& runs;
    const Clock& clock;
    /// Puts the finding before a web hook. `source` is the same for the same finding.
    std::function<Status(const std::string& webhook_id, const std::string& source,
                         const tracker::Finding&)>
        tell;
    /// Ends the trial whose run it is; may wait. kNotFound: it is of none. kUnavailable: asked again.
    std::function<Status(const RunId&)> stop;
  };
  /// Batches that wait; when more come, the histories are read again instead.
  static constexpr std::size_t kMostWaiting = 100'000;

  /// The parts must outlive its Stop.
  explicit RuleWorker(Parts parts);
  ~RuleWorker();
  RuleWorker(const RuleWorker&) = delete;
  RuleWorker& operator=(const RuleWorker&) = delete;

  /// Ends the thread. Points that come later are dropped: the next server reads them.
  void Stop();
  /// From any thread, the store's writer too: never waits for the disk.
  void Observe(const RunId& run, const std::vector<tracker::Metric>& points);
  /// The rules have changed. Any thread.
  void Reload();

 private:
  using Points = std::pair<RunId, std::vector<tracker::Metric>>;

  void Loop();
  /// Anew: rules from the store, what they have seen from the runs' histories.
  Status Load();
  Status SeedRunning();
  Status Take(const Points& points);
  /// The experiment of a run; asks the store once.
  Result<std::string> ExperimentOf(const RunId& run);
  Status Seed(const RunId& run, const std::string& experiment_id, const std::string& metric);
  /// What has ended is not stuck.
  Status LookForSilence();
  Status React(const std::vector<tracker::Finding>& findings);
  Status Follow(std::int64_t sequence, const tracker::Finding& finding);

  Parts parts_;
  tracker::RuleEngine engine_;
  std::map<RunId, std::string> experiments_;
  std::set<std::pair<RunId, std::string>> seeded_;  // run and metric

  std::mutex mutex_;  // guards the four below
  std::condition_variable wake_;
  std::deque<Points> waiting_;
  bool reload_ = true;
  bool stopping_ = false;
  bool dropped_ = false;
  std::atomic<bool> watching_ = true;  // there are rules, or it is not known yet
  std::thread thread_;
};

}  // namespace muster::server
