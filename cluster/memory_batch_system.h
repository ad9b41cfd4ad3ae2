#pragma once

#include <map>
#include <string>
#include <vector>

#include "cluster/batch_system.h"

/// A batch system without a cluster, for tests and simulations: nodes, a queue, and everything that a real one does to
/// jobs, done when it is told to. It starts no process: what would run is told as events.

namespace muster::cluster {

class MemoryBatchSystem final : public BatchSystem {
 public:
  struct Site {
    int nodes = 4;
    int cpus_per_node = 8;
    int gpus_per_node = 0;
    std::int64_t memory_bytes_per_node = 16LL << 30;
    std::int64_t time_seconds_most = 86'400;  ///< what a request without a time gets, too
    int jobs_most = 10'000;                   ///< that have not ended
    bool counts_usage = true;
    UnixMillis start = 1'700'000'000'000;
  };

  /// Something happened to the processes of one start of a job. Starts are numbered through, since a job may run in
  /// two places.
  struct Event {
    enum class Kind {
      kStarted,  ///< the command runs on the nodes
      kWarned,   ///< SIGUSR2
      kKilled,   ///< SIGTERM and, for whoever does not go, SIGKILL: nothing of it runs any more
    } kind;
    int start;  ///< from 1
    std::string id;
    std::vector<int> nodes;
  };

  explicit MemoryBatchSystem(const Site& site) : site_(site), busy_(site.nodes), now_(site.start) {}

  Status Check(const JobRequest& request) override;
  Result<std::string> Submit(const JobRequest& request) override;
  Result<std::vector<Job>> Find(const std::string& prefix) override;
  Status Cancel(const std::vector<JobRef>& jobs) override;
  Result<bool> Counts() override;
  Result<std::vector<JobUsage>> Usage(const std::vector<JobRef>& jobs) override;

  // What the world does.

  /// Time passes; jobs are warned, and ended when theirs is over.
  void Advance(std::int64_t milliseconds);
  /// The command of a running job ended on all its nodes.
  void Finish(const std::string& id, int exit_code);
  /// The system's own decision (preemption, a person's): its processes are killed and it waits again.
  void Requeue(const std::string& id);
  /// The system forgot that a job runs and has it wait again; the processes go on, and no restart is counted.
  void Double(const std::string& id);
  /// ... and forgot the job altogether.
  void Lose(const std::string& id);
  /// A node falls silent: its jobs are requeued or ended; their processes go on until it is back.
  void LoseNode(int node);
  void HealNode(int node);
  /// While away every call is kUnavailable.
  void SetAway(bool away) { away_ = away; }
  /// The next Submit is carried out and answers kUnavailable.
  void LoseNextAnswer() { lose_answer_ = true; }

  /// What happened since the last call, in order.
  std::vector<Event> TakeEvents();
  [[nodiscard]] const JobRequest& request_of(const std::string& id) const {
    return requests_.at(jobs_.at(id).request);
  }

 private:
  struct Entry {
    Job job;
    std::size_t request = 0;  ///< index in requests_
    std::vector<int> nodes;
    int start = 0;  ///< 0: has none
    UnixMillis started = 0;
    bool warned = false;
    double seconds_run = 0;
  };
  struct Busy {
    int cpus = 0, gpus = 0;
    std::int64_t memory = 0;
    bool lost = false;
  };
  struct Orphan {
    int start = 0;
    std::string id;
    std::vector<int> nodes;
  };

  [[nodiscard]] Status Answer() const;
  [[nodiscard]] bool Fits(const JobRequest& request, const Busy& node) const;
  void Occupy(const Entry& entry, int sign);
  void Schedule();
  /// The job's processes end with it (`killed`) or go on without it.
  void Stop(Entry& entry, bool killed);
  void End(Entry& entry, const std::string& words, bool failed, bool killed);
  void Wait(Entry& entry, bool killed);
  [[nodiscard]] JobUsage UsageOf(const JobRef& ref) const;
  [[nodiscard]] std::int64_t TimeOf(const Entry& entry) const;

  Site site_;
  std::vector<Busy> busy_;  ///< by node
  UnixMillis now_;
  bool away_ = false;
  bool lose_answer_ = false;
  int next_id_ = 1;
  int next_start_ = 1;
  std::vector<JobRequest> requests_;
  std::map<std::string, Entry> jobs_;  ///< by Job::id
  std::vector<std::string> queue_;     ///< ids that wait, the oldest first
  std::vector<Orphan> orphans_;        ///< starts that no job knows of
  std::vector<Event> events_;
};

}  // namespace muster::cluster
