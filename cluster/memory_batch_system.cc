#include "cluster/memory_batch_system.h"

#include <algorithm>
#include <utility>

namespace muster::cluster {

Status MemoryBatchSystem::Answer() const {
  return away_ ? Status(Unavailable("the batch system does not answer")) : Ok();
}

bool MemoryBatchSystem::Fits(const JobRequest& request, const Busy& node) const {
  return !node.lost && node.cpus + request.cpus_per_node <= site_.cpus_per_node &&
         node.gpus + request.gpus_per_node <= site_.gpus_per_node &&
         node.memory + request.memory_bytes_per_node <= site_.memory_bytes_per_node;
}

Status MemoryBatchSystem::Check(const JobRequest& request) {
  MUSTER_RETURN_IF_ERROR(CheckRequest(request));
  MUSTER_RETURN_IF_ERROR(Answer());
  if (request.nodes > site_.nodes || !Fits(request, Busy{}))
    return Invalid("Requested node configuration is not available");
  if (request.time_seconds > site_.time_seconds_most)
    return Invalid("Requested time limit is invalid");
  return Ok();
}

Result<std::string> MemoryBatchSystem::Submit(const JobRequest& request) {
  MUSTER_RETURN_IF_ERROR(Check(request));
  const auto live = std::ranges::count_if(
      jobs_, [](const auto& entry) { return entry.second.job.state != JobState::kEnded; });
  if (live + request.count > site_.jobs_most) {
    return ResourceExhausted(std::to_string(live) + " jobs are in the queue, and " +
                             std::to_string(site_.jobs_most) + " may be");
  }
  const std::string id = std::to_string(next_id_++);
  requests_.push_back(request);
  for (int i = 0; i < request.count; ++i) {
    Entry entry;
    entry.job.id = request.count == 1 ? id : id + "_" + std::to_string(i);
    entry.job.key = request.key;
    entry.job.task = request.first_task + i;
    entry.request = requests_.size() - 1;
    entry.job.words = "PENDING";
    queue_.push_back(entry.job.id);
    jobs_.emplace(entry.job.id, std::move(entry));
  }
  Schedule();
  if (std::exchange(lose_answer_, false)) return Unavailable("the batch system's answer was lost");
  return id;
}

Result<std::vector<Job>> MemoryBatchSystem::Find(const std::string& prefix) {
  MUSTER_RETURN_IF_ERROR(Answer());
  std::vector<Job> found;
  for (const auto& [id, entry] : jobs_) {
    if (entry.job.key.starts_with(prefix)) found.push_back(entry.job);
  }
  return found;
}

Status MemoryBatchSystem::Cancel(const std::vector<JobRef>& jobs) {
  MUSTER_RETURN_IF_ERROR(Answer());
  for (const JobRef& ref : jobs) {
    for (auto& [id, entry] : jobs_) {
      if ((id == ref.id || id.starts_with(ref.id + "_")) && entry.job.key == ref.key &&
          entry.job.state != JobState::kEnded) {
        End(entry, "CANCELLED", true, true);
      }
    }
  }
  Schedule();
  return Ok();
}

Result<bool> MemoryBatchSystem::Counts() {
  MUSTER_RETURN_IF_ERROR(Answer());
  return site_.counts_usage;
}

Result<std::vector<JobUsage>> MemoryBatchSystem::Usage(const std::vector<JobRef>& jobs) {
  MUSTER_RETURN_IF_ERROR(Answer());
  std::vector<JobUsage> all;
  all.reserve(jobs.size());
  for (const JobRef& ref : jobs) all.push_back(UsageOf(ref));
  return all;
}

JobUsage MemoryBatchSystem::UsageOf(const JobRef& ref) const {
  JobUsage usage;
  if (!site_.counts_usage) return usage;
  for (const auto& [id, entry] : jobs_) {
    if ((id != ref.id && !id.starts_with(ref.id + "_")) || entry.job.key != ref.key ||
        entry.job.state != JobState::kEnded) {
      continue;
    }
    const JobRequest& request = requests_[entry.request];
    const double node_seconds = entry.seconds_run * request.nodes;
    usage.cpu_seconds = usage.cpu_seconds.value_or(0) + node_seconds * request.cpus_per_node;
    usage.gpu_seconds = usage.gpu_seconds.value_or(0) + node_seconds * request.gpus_per_node;
  }
  return usage;
}

void MemoryBatchSystem::Occupy(const Entry& entry, int sign) {
  const JobRequest& request = requests_[entry.request];
  for (const int node : entry.nodes) {
    busy_[node].cpus += sign * request.cpus_per_node;
    busy_[node].gpus += sign * request.gpus_per_node;
    busy_[node].memory += sign * request.memory_bytes_per_node;
  }
}

std::int64_t MemoryBatchSystem::TimeOf(const Entry& entry) const {
  const std::int64_t asked = requests_[entry.request].time_seconds;
  return (asked == 0 ? site_.time_seconds_most : asked) * 1'000;
}

void MemoryBatchSystem::Schedule() {
  std::vector<std::string> waiting;
  for (const std::string& id : std::exchange(queue_, {})) {
    Entry& entry = jobs_.at(id);
    const JobRequest& request = requests_[entry.request];
    std::vector<int> nodes;
    for (int node = 0; node < site_.nodes && std::ssize(nodes) < request.nodes; ++node) {
      if (Fits(request, busy_[node])) nodes.push_back(node);
    }
    if (std::ssize(nodes) < request.nodes) {
      entry.job.words = "PENDING (Resources)";
      waiting.push_back(id);
      continue;
    }
    entry.nodes = std::move(nodes);
    Occupy(entry, 1);
    entry.start = next_start_++;
    entry.started = now_;
    entry.warned = false;
    entry.job.state = JobState::kRunning;
    entry.job.words = "RUNNING";
    entry.job.ends_by = now_ + TimeOf(entry);
    events_.push_back({Event::Kind::kStarted, entry.start, id, entry.nodes});
  }
  queue_ = std::move(waiting);
}

void MemoryBatchSystem::Stop(Entry& entry, bool killed) {
  std::erase(queue_, entry.job.id);
  if (entry.start == 0) return;
  Occupy(entry, -1);
  entry.seconds_run += static_cast<double>(now_ - entry.started) / 1'000;
  if (killed)
    events_.push_back({Event::Kind::kKilled, entry.start, entry.job.id, entry.nodes});
  else
    orphans_.push_back({entry.start, entry.job.id, entry.nodes});
  entry.start = 0;
  entry.nodes.clear();
  entry.job.ends_by.reset();
}

void MemoryBatchSystem::End(Entry& entry, const std::string& words, bool failed, bool killed) {
  Stop(entry, killed);
  entry.job.state = JobState::kEnded;
  entry.job.words = words;
  entry.job.failed = failed;
}

void MemoryBatchSystem::Wait(Entry& entry, bool killed) {
  Stop(entry, killed);
  entry.job.state = JobState::kWaiting;
  entry.job.words = "PENDING (BeginTime)";
  queue_.push_back(entry.job.id);
}

void MemoryBatchSystem::Advance(std::int64_t milliseconds) {
  now_ += milliseconds;
  for (auto& [id, entry] : jobs_) {
    if (entry.start == 0) continue;
    const UnixMillis end = entry.started + TimeOf(entry);
    const std::int64_t warn = requests_[entry.request].warn_seconds * 1'000;
    if (warn > 0 && !entry.warned && now_ >= end - warn) {
      entry.warned = true;
      events_.push_back({Event::Kind::kWarned, entry.start, id, entry.nodes});
    }
    if (now_ >= end) End(entry, "TIMEOUT", true, true);
  }
  Schedule();
}

void MemoryBatchSystem::Finish(const std::string& id, int exit_code) {
  End(jobs_.at(id),
      exit_code == 0 ? "COMPLETED" : "FAILED (exit " + std::to_string(exit_code) + ")",
      exit_code != 0, true);
  Schedule();
}

void MemoryBatchSystem::Requeue(const std::string& id) {
  Entry& entry = jobs_.at(id);
  ++entry.job.restarts;
  Wait(entry, true);
  Schedule();
}

void MemoryBatchSystem::Double(const std::string& id) {
  Wait(jobs_.at(id), false);
  Schedule();
}

void MemoryBatchSystem::Lose(const std::string& id) {
  Stop(jobs_.at(id), false);
  jobs_.erase(id);
  Schedule();
}

void MemoryBatchSystem::LoseNode(int node) {
  busy_[node].lost = true;
  for (auto& [id, entry] : jobs_) {
    if (!std::ranges::count(entry.nodes, node)) continue;
    if (requests_[entry.request].requeue) {
      ++entry.job.restarts;
      Wait(entry, false);
    } else {
      End(entry, "NODE_FAIL", true, false);
    }
  }
  Schedule();
}

void MemoryBatchSystem::HealNode(int node) {
  busy_[node].lost = false;
  std::erase_if(orphans_, [&](const Orphan& orphan) {
    if (!std::ranges::count(orphan.nodes, node)) return false;
    events_.push_back({Event::Kind::kKilled, orphan.start, orphan.id, orphan.nodes});
    return true;
  });
  Schedule();
}

std::vector<MemoryBatchSystem::Event> MemoryBatchSystem::TakeEvents() {
  return std::exchange(events_, {});
}

}  // namespace muster::cluster
