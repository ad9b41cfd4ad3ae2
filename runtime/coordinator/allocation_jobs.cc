#include "runtime/coordinator/allocation_jobs.h"

#include <algorithm>
#include <set>
#include <utility>

namespace muster::coordinator {
namespace {

using cluster::JobState;

/// A batch system that answers and does not list a job that it took has lost it, or forgotten that it ended.
constexpr int kMissesMost = 3;

/// Of copies of one job the one that runs counts, then one that may run.
int RankOf(const cluster::Job& job) {
  switch (job.state) {
    case JobState::kRunning:
      return 3;
    case JobState::kEnding:
      return 2;
    case JobState::kWaiting:
      return 1;
    case JobState::kEnded:
      break;
  }
  return 0;
}

/// The job of a request's task; of copies the first that counts most. Null: there is none.
const cluster::Job* Find(const std::vector<cluster::Job>& jobs, const std::string& key, int task) {
  const cluster::Job* found = nullptr;
  for (const cluster::Job& job : jobs) {
    if (job.key != key || job.task != task) continue;
    if (found == nullptr || RankOf(job) > RankOf(*found)) found = &job;
  }
  return found;
}

}  // namespace

std::string JobKey(const std::string& home_id, const std::string& key) {
  return home_id + ":" + key;
}

bool RefusedForGood(ErrorKind kind) {
  return kind == ErrorKind::kInvalid || kind == ErrorKind::kNotFound ||
         kind == ErrorKind::kUnsupported;
}

cluster::JobRequest RequestFor(const SubmitAllocations& command, const std::string& home_id) {
  return {.key = JobKey(home_id, command.key),
          .name = command.name,
          .count = static_cast<int>(command.allocations.size()),
          .nodes = command.nodes,
          .cpus_per_node = command.slots,
          .gpus_per_node = command.gpus,
          .memory_bytes_per_node = command.memory_bytes,
          .time_seconds = command.time_seconds,
          .warn_seconds = command.warn_seconds};
}

Result<std::string> SubmitMissing(cluster::BatchSystem& system, cluster::JobRequest request) {
  MUSTER_ASSIGN_OR_RETURN(const auto jobs, system.Find(request.key));
  std::string id;
  int taken = 0;
  for (const cluster::Job& job : jobs) {
    if (job.key != request.key) continue;
    if (job.task == 0) id = job.id.substr(0, job.id.find('_'));
    taken = std::max(taken, job.task + 1);
  }
  const int all = request.count;
  if (taken >= all) return id;
  request.first_task = taken;
  request.count = all - taken;
  auto answer = system.Submit(request);
  // A limit that leaves no room for all may leave some for a part.
  while (!answer.ok() && answer.error().kind == ErrorKind::kResource && request.count > 1) {
    request.count /= 2;
    answer = system.Submit(request);
    if (answer.ok())
      return ResourceExhausted("the batch system took " + std::to_string(taken + request.count) +
                               " of " + std::to_string(all) + " jobs");
  }
  if (!answer.ok()) return answer.error();
  return id.empty() ? *answer : id;
}

Status CancelTask(cluster::BatchSystem& system, const std::string& key, int task) {
  MUSTER_ASSIGN_OR_RETURN(const auto jobs, system.Find(key));
  for (const cluster::Job& job : jobs) {
    if (job.key != key || job.task != task || job.state == JobState::kEnded) continue;
    MUSTER_RETURN_IF_ERROR(system.Cancel({{job.id, job.key}}));
  }
  return Ok();
}

std::vector<cluster::JobRef> StrayJobs(const std::vector<OpenAllocation>& open,
                                       const std::vector<cluster::Job>& jobs) {
  std::set<std::string> kept;
  for (const OpenAllocation& one : open) {
    if (const cluster::Job* job = Find(jobs, one.key, one.task)) kept.insert(job->id);
  }
  std::vector<cluster::JobRef> strays;
  for (const cluster::Job& job : jobs) {
    const bool live = job.state == JobState::kWaiting || job.state == JobState::kRunning;
    if (live && !kept.contains(job.id)) strays.push_back({job.id, job.key});
  }
  return strays;
}

std::optional<AllocationTold> JobWatch::Look(const OpenAllocation& one,
                                             const std::vector<cluster::Job>& jobs) {
  using State = AllocationTold::State;
  AllocationTold told{.allocation = one.allocation};
  const cluster::Job* job = Find(jobs, one.key, one.task);
  if (job == nullptr) {
    // One that is not taken yet is the outbox's.
    if (!one.taken || ++missed_[one.allocation] < kMissesMost) return std::nullopt;
    told.state = State::kEnded;
    told.words = "the batch system does not know its job any more";
  } else {
    missed_.erase(one.allocation);
    told.words = job->words;
    told.job = job->id;
    told.restarts = job->restarts;
    told.ends_ms = job->ends_by.value_or(0);
    told.state = job->state == JobState::kWaiting ? State::kWaiting
                 : job->state == JobState::kEnded ? State::kEnded
                                                  : State::kRunning;
  }
  if (told.state == State::kEnded) missed_.erase(one.allocation);
  return told;
}

}  // namespace muster::coordinator
