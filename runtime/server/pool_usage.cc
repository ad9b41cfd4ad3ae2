#include <algorithm>

#include "runtime/base/log.h"
#include "runtime/coordinator/allocation_jobs.h"
#include "runtime/coordinator/views.h"
#include "runtime/server/pool_worker.h"
#include "runtime/wire/codec.h"

// What allocations that have ended cost, from batch systems that count. Their accounts come a while after the end, and
// each question is a process: many are asked about at once.

namespace muster::server {
namespace {

/// After so long without an answer nothing is known, and will not be.
constexpr std::int64_t kCountMostMs = 10 * 60'000;

}  // namespace

bool PoolWorker::Count() {
  const auto rows = host_->Ask(
      [](const coordinator::Coordinator& state, MonotonicTime,
         UnixMillis) -> Result<boost::json::value> { return coordinator::UncountedView(state); });
  if (!rows.ok()) return true;
  std::map<std::string, std::vector<const boost::json::object*>> by_site;
  for (const auto& row : rows->as_array()) {
    if (row.at("ready").as_bool())
      by_site[wire::SerializeJson(row.at("site"))].push_back(&row.as_object());
  }
  for (const auto& [text, allocations] : by_site) CountAt(allocations);
  return !rows->as_array().empty();
}

void PoolWorker::CountAt(const std::vector<const boost::json::object*>& allocations) {
  std::vector<cluster::JobRef> jobs;
  jobs.reserve(allocations.size());
  for (const auto* one : allocations) {
    jobs.push_back(
        {std::string(one->at("job").as_string()),
         coordinator::JobKey(options_.home_id, std::string(one->at("key").as_string()))});
  }
  Result<std::vector<cluster::JobUsage>> usages = std::vector<cluster::JobUsage>(jobs.size());
  {
    const std::lock_guard lock(systems_mutex_);
    const auto system = SystemOf(allocations.front()->at("site").as_object());
    if (system.ok())
      usages = (*system)->Usage(jobs);
    else
      usages = system.error();
  }
  if (!usages.ok()) LogWarning("pools", usages.error().message);
  for (std::size_t i = 0; i < allocations.size(); ++i) {
    const cluster::JobUsage usage = usages.ok() ? (*usages)[i] : cluster::JobUsage();
    const auto waited = parts_.clock.UnixNow() - allocations[i]->at("ended_ms").as_int64();
    if (!usage.cpu_seconds && waited < kCountMostMs) continue;
    host_->Submit(coordinator::AllocationUsed{
        AllocationId(std::string(allocations[i]->at("allocation").as_string())), usage.cpu_seconds,
        usage.gpu_seconds, usage.joules});
  }
}

}  // namespace muster::server
