#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/result.h"

/// The port to a batch system such as Slurm, which owns nodes and lends them as jobs.
///
/// What is lost on the way is found again: a request carries a key that nobody else uses, and the system keeps it with
/// the jobs. Who asked and got no answer looks with Find before it asks again. A system may run a job twice (a
/// requeue, a controller that came back), may lose one, and may forget ended ones after a while: none of that is
/// for this port to mend. What a job starts must be fenced by whom it reports to.

namespace muster::cluster {

/// `count` jobs that differ in nothing but their number (`{task}`, from 0).
struct JobRequest {
  std::string key;   ///< 1 to 128 of A-Z a-z 0-9 . _ : -
  std::string name;  ///< for people
  int count = 1;
  int nodes = 1;  ///< of each job; exactly so many
  int cpus_per_node = 1;
  int gpus_per_node = 0;
  std::int64_t memory_bytes_per_node = 0;  ///< 0: what the site gives
  std::int64_t time_seconds = 0;           ///< 0: what the site gives
  /// Started once on each node of a job. `{task}` and `{node}` in it stand for the job's number and the node's among
  /// the job's, from 0.
  std::vector<std::string> command;
  std::string log_dir;  ///< where what the job itself writes goes
};

enum class JobState {
  kWaiting,  ///< in the queue, requeued ones too
  kRunning,
  kEnding,  ///< being killed or cleaned up after; its processes may still run
  kEnded,
};

struct Job {
  std::string id;   ///< the system's: "123", "123_4"
  std::string key;  ///< JobRequest::key
  int task = 0;
  JobState state = JobState::kWaiting;
  std::string words;  ///< the system's own: "PENDING (Resources)", "NODE_FAIL", "FAILED (exit 1)"
  int restarts = 0;   ///< how often it was started anew
  std::optional<UnixMillis> ends_by;  ///< when its time is over; while it runs
  bool failed = false;                ///< of an ended one: it ended otherwise than with exit 0
};

/// What ended jobs have used, where the site counts it.
struct JobUsage {
  std::optional<double> cpu_seconds, gpu_seconds, joules;
};

/// Calls wait for the system, each with a deadline of its own. One thread at a time.
class BatchSystem {
 public:
  virtual ~BatchSystem() = default;

  /// Would the system take it? kInvalid in its own words when it never will (no such partition, account, type, or
  /// more than the site allows).
  virtual Status Check(const JobRequest& request) = 0;
  /// The id of the job or array. kInvalid as of Check; kResource when too much of this user's waits already;
  /// kUnavailable when nobody answered: it may have been taken.
  virtual Result<std::string> Submit(const JobRequest& request) = 0;
  /// All jobs of requests whose keys begin with `prefix`, ended ones as long as the system remembers them.
  virtual Result<std::vector<Job>> Find(const std::string& prefix) = 0;
  /// Ends them, whatever their state; those that have ended or are not known are no error.
  virtual Status Cancel(const std::vector<std::string>& ids) = 0;
  /// Empty members where the system does not count.
  virtual Result<JobUsage> Usage(const std::string& id) = 0;
};

}  // namespace muster::cluster
