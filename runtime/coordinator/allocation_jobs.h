#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/batch_system.h"
#include "runtime/coordinator/event.h"
#include "runtime/coordinator/input.h"

/// Allocations as jobs of a batch system: what the coordinator's commands ask of it, and what its answers mean. Threads,
/// clocks and the agents' keys are whoever's drives the system: `runtime/server/pool_worker.h`, `runtime/sim/batch.h`.

namespace muster::coordinator {

/// An allocation that the coordinator has not seen the end of.
struct OpenAllocation {
  AllocationId allocation;
  std::string key;  ///< of its request, as the batch system has it
  int task = 0;
  bool taken = false;  ///< the batch system has answered that it has the request
};

/// Keys of requests begin with the home's id, so that homes that share a batch system do not take each other's jobs.
std::string JobKey(const std::string& home_id, const std::string& key);
/// Whether an error of the batch system ends a request; any other is tried again.
bool RefusedForGood(ErrorKind kind);
/// All of it but the command and the folder for logs.
cluster::JobRequest RequestFor(const SubmitAllocations& command, const std::string& home_id);

/// Asks for what the system does not have of the request: a try before this one may have been taken, whole or in part, and
/// its answer lost. The job's or the array's id; errors are those of Find and Submit. Where there is no room for all, a part is
/// taken and the error is kResource: asked again, it goes on with the rest.
Result<std::string> SubmitMissing(cluster::BatchSystem& system, cluster::JobRequest request);
/// Ends all jobs of a request's task. Those that are not there are no error.
Status CancelTask(cluster::BatchSystem& system, const std::string& key, int task);

/// Jobs that nobody asked for or knows any more and that have not ended, among `jobs`, all that the system has of this
/// home: a request that came through after its answer was given up, a copy beside another of the same task, a job that
/// was started anew after its end. `open` is every open allocation, whatever its batch system.
std::vector<cluster::JobRef> StrayJobs(const std::vector<OpenAllocation>& open,
                                       const std::vector<cluster::Job>& jobs);

/// What looks at the batch system mean for allocations.
class JobWatch {
 public:
  /// `jobs`: those of this home that the allocation's batch system has now. Nothing, when nothing can be said of it yet.
  std::optional<AllocationTold> Look(const OpenAllocation& one,
                                     const std::vector<cluster::Job>& jobs);

 private:
  std::map<AllocationId, int> missed_;  ///< looks in a row that did not find a job that was taken
};

}  // namespace muster::coordinator
