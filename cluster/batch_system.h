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

/// `count` jobs that differ in nothing but their number (`{task}`).
struct JobRequest {
  std::string key;     ///< 1 to 128 of A-Z a-z 0-9 . _ : -
  std::string name;    ///< for people
  int first_task = 0;  ///< the number of the first: to ask again for what is missing of a request
  int count = 1;
  int nodes = 1;  ///< of each job; exactly so many
  int cpus_per_node = 1;
  int gpus_per_node = 0;
  std::int64_t memory_bytes_per_node = 0;  ///< 0: what the site gives
  std::int64_t time_seconds = 0;  ///< 0: what the site gives; a site may round it up to minutes
  /// SIGUSR2 comes to the command so long before the time is over, and up to a minute sooner; 0: it does not.
  std::int64_t warn_seconds = 0;
  bool requeue = false;  ///< whether the system may start a job anew: a lost node, a preemption
  /// Started once on each node of a job. `{task}` and `{node}` in it stand for the job's number and the node's among
  /// the job's, from 0. It gets SIGTERM, some seconds before SIGKILL, when the job is cancelled or preempted.
  std::vector<std::string> command;
  /// Absolute, and seen by nodes: a job's own output is appended to `<id>.log` in it.
  std::string log_dir;
};

/// kInvalid when a request keeps no rule that stands above.
Status CheckRequest(const JobRequest& request);
/// What is started for one node of one job.
std::vector<std::string> ExpandCommand(const JobRequest& request, int task, int node);

/// One job, or all of a request or array. Ids alone do not do: a system that lost its memory gives them out again.
struct JobRef {
  std::string id;   ///< Job::id, or the answer of Submit
  std::string key;  ///< JobRequest::key
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
  std::string words;  ///< for people: "PENDING (Resources)", "NODE_FAIL", "FAILED (exit 1)"
  int restarts = 0;   ///< how often it was started anew
  std::optional<UnixMillis> ends_by;  ///< when its time is over; while it runs
  bool failed = false;                ///< of an ended one: it ended otherwise than with exit 0
};

/// What a job has cost, all its starts that have ended together: the CPUs and GPUs that it held, while it held them.
struct JobUsage {
  std::optional<double> cpu_seconds, gpu_seconds, joules;
};

/// Calls wait for the system, each with a deadline of its own. One thread at a time.
class BatchSystem {
 public:
  virtual ~BatchSystem() = default;

  /// Would the system take it? kInvalid in its own words when it never will (no such partition, account, type, or
  /// more than the site allows); kResource when only now it would not, or would have it wait for nodes that are out of
  /// use; kUnavailable.
  virtual Status Check(const JobRequest& request) = 0;
  /// The id of the job or array, the first one's where the site's limits make several of it. kInvalid as of Check;
  /// kResource when too much of this user's waits already, or the system takes none now; kUnavailable when nobody
  /// answered, or not in time. Find tells what was taken after an error: nothing, all, or some where several were to be
  /// made. What Check refuses may be taken, and wait for ever.
  virtual Result<std::string> Submit(const JobRequest& request) = 0;
  /// All jobs of requests whose keys begin with `prefix`, ended ones as long as the system remembers them.
  virtual Result<std::vector<Job>> Find(const std::string& prefix) = 0;
  /// Asks to end them, whatever their state; those that have ended, are not known or are others' by now are no error.
  virtual Status Cancel(const std::vector<JobRef>& jobs) = 0;
  /// Whether it counts at all what jobs cost.
  virtual Result<bool> Counts() = 0;
  /// Of each, in their order. Empty members where the system does not count (yet).
  virtual Result<std::vector<JobUsage>> Usage(const std::vector<JobRef>& jobs) = 0;
};

}  // namespace muster::cluster
