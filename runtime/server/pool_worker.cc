#include "runtime/server/pool_worker.h"

#include <algorithm>
#include <utility>

#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/coordinator/views.h"
#include "runtime/net/keys.h"
#include "runtime/server/pool_logs.h"
#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

/// Between two looks at accounts, and at output to delete, while there is something.
constexpr auto kTidyEvery = std::chrono::seconds(5);

NodeId NodeOf(const AllocationId& allocation, int index) {
  return NodeId(allocation.value + "." + std::to_string(index));
}

}  // namespace

PoolWorker::PoolWorker(Options options, Parts parts)
    : options_(std::move(options)), parts_(std::move(parts)) {}

PoolWorker::~PoolWorker() { Stop(); }

void PoolWorker::Start(CoordinatorHost& host) {
  host_ = &host;
  thread_ = std::thread([this] { Loop(); });
}

void PoolWorker::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void PoolWorker::Put(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) jobs_.push_back(std::move(job));
    watching_ = true;
  }
  wake_.notify_all();
}

void PoolWorker::Submit(coordinator::SubmitAllocations command, Done done) {
  Put({std::move(command), std::move(done)});
}

void PoolWorker::Cancel(coordinator::CancelAllocation command, Done done) {
  Put({std::move(command), std::move(done)});
}

void PoolWorker::Loop() {
  auto next_look = std::chrono::steady_clock::now();
  auto next_tidy = next_look;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!jobs_.empty()) {
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job.done(std::visit([this](const auto& command) { return Carry(command); }, job.command));
      lock.lock();
      continue;
    }
    if (!watching_) {
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      continue;
    }
    if (std::chrono::steady_clock::now() >= next_look) {
      lock.unlock();
      const bool something = Look();
      if (std::chrono::steady_clock::now() >= next_tidy) {
        counting_ = counting_ && Count();
        if (std::exchange(logs_grew_, false))
          PruneLogs(options_.dir / "logs", std::filesystem::file_time_type::clock::now());
        next_tidy = std::chrono::steady_clock::now() + kTidyEvery;
      }
      lock.lock();
      watching_ = something || counting_ || logs_grew_ || !jobs_.empty();
      next_look = std::chrono::steady_clock::now() + options_.period;
      continue;
    }
    wake_.wait_until(lock, next_look, [this] { return stopping_ || !jobs_.empty(); });
  }
}

Result<cluster::BatchSystem*> PoolWorker::SystemOf(const boost::json::object& site) {
  auto& system = systems_[wire::SerializeJson(site)];
  if (system == nullptr) {
    MUSTER_ASSIGN_OR_RETURN(system, parts_.open(site));
  }
  return system.get();
}

std::filesystem::path PoolWorker::KeyFile(const std::string& key, int task,
                                          const std::string& index) const {
  return options_.dir / key / (std::to_string(task) + "." + index + ".key");
}

cluster::JobRequest PoolWorker::RequestOf(const coordinator::SubmitAllocations& command) const {
  cluster::JobRequest request = coordinator::RequestFor(command, options_.home_id);
  request.log_dir = (options_.dir / "logs").string();
  request.command = {options_.program.string(),
                     "agent",
                     "join",
                     "--allocation",
                     "--key",
                     (options_.dir / command.key / "{task}.{node}.key").string(),
                     "--slots",
                     std::to_string(command.slots),
                     "--gpus",
                     std::to_string(command.gpus)};
  if (command.memory_bytes > 0) {
    request.command.insert(request.command.end(),
                           {"--resource", "memory=" + std::to_string(command.memory_bytes)});
  }
  for (const auto& [name, value] : command.labels)
    request.command.insert(request.command.end(), {"--label", name + "=" + value});
  return request;
}

Status PoolWorker::Check(const wire::PoolSpec& spec) {
  coordinator::SubmitAllocations one{.pool = spec.name,
                                     .key = spec.name + "-1",
                                     .name = "muster-" + spec.name,
                                     .allocations = {AllocationId(spec.name + "-1")},
                                     .nodes = spec.nodes,
                                     .slots = spec.slots,
                                     .gpus = spec.gpus,
                                     .memory_bytes = spec.memory_bytes,
                                     .time_seconds = spec.time_seconds,
                                     .warn_seconds = spec.drain_seconds,
                                     .labels = spec.labels,
                                     .site = spec.site};
  const std::lock_guard lock(systems_mutex_);
  MUSTER_ASSIGN_OR_RETURN(cluster::BatchSystem * system, SystemOf(spec.site));
  return system->Check(RequestOf(one));
}

/// Keys that are there already are those of a try before this one.
Status PoolWorker::MakeKeys(const coordinator::SubmitAllocations& command) {
  MUSTER_ASSIGN_OR_RETURN(const WireAddress address, parts_.address());
  const auto folder = options_.dir / command.key;
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  std::filesystem::create_directories(options_.dir / "logs", failed);
  if (failed) return IoError("make " + folder.string(), failed.value());
  for (std::size_t task = 0; task < command.allocations.size(); ++task) {
    for (int index = 0; index < command.nodes; ++index) {
      const auto file = KeyFile(command.key, static_cast<int>(task), std::to_string(index));
      const NodeId node = NodeOf(command.allocations[task], index);
      const auto known = net::LoadNodeKey(file);
      if (known.ok() && known->endpoint == address.endpoint) continue;
      std::filesystem::remove(file, failed);
      net::NodeKey key{node, address.endpoint, address.server_public_key, {}};
      if (known.ok()) {
        key.keys = known->keys;  // it was invited with these; the server is elsewhere now
      } else {
        MUSTER_ASSIGN_OR_RETURN(key.keys, net::MakeKeyPair());
        (void)parts_.keys.Revoke(node);
        MUSTER_RETURN_IF_ERROR(
            parts_.keys.Invite(node, key.keys.public_key, parts_.clock.UnixNow()));
      }
      MUSTER_RETURN_IF_ERROR(net::SaveNodeKey(file, key));
    }
  }
  return Ok();
}

Result<boost::json::object> PoolWorker::Carry(const coordinator::SubmitAllocations& command) {
  auto placed = Place(command);
  // What is refused for good has no end that a look would see.
  if (!placed.ok() && coordinator::RefusedForGood(placed.error().kind)) {
    for (std::size_t task = 0; task < command.allocations.size(); ++task)
      DropKeys(command.allocations[task], command.key, static_cast<int>(task));
  }
  return placed;
}

Result<boost::json::object> PoolWorker::Place(const coordinator::SubmitAllocations& command) {
  MUSTER_RETURN_IF_ERROR(MakeKeys(command));
  const std::lock_guard lock(systems_mutex_);
  MUSTER_ASSIGN_OR_RETURN(cluster::BatchSystem * system, SystemOf(command.site));
  MUSTER_ASSIGN_OR_RETURN(std::string id, coordinator::SubmitMissing(*system, RequestOf(command)));
  return boost::json::object{{"job", std::move(id)}};
}

Result<boost::json::object> PoolWorker::Carry(const coordinator::CancelAllocation& command) {
  const std::lock_guard lock(systems_mutex_);
  MUSTER_ASSIGN_OR_RETURN(cluster::BatchSystem * system, SystemOf(command.site));
  MUSTER_RETURN_IF_ERROR(coordinator::CancelTask(
      *system, coordinator::JobKey(options_.home_id, command.key), command.task));
  return boost::json::object();
}

Result<std::vector<PoolWorker::Known>> PoolWorker::AskForKnown() {
  MUSTER_ASSIGN_OR_RETURN(const auto rows,
                          host_->Ask([](const coordinator::Coordinator& state, MonotonicTime,
                                        UnixMillis) -> Result<boost::json::value> {
                            return coordinator::AllocationsView(state);
                          }));
  std::vector<Known> known;
  for (const auto& row : rows.as_array()) {
    const std::string key(row.at("key").as_string());
    known.push_back({{.allocation = AllocationId(std::string(row.at("allocation").as_string())),
                      .key = coordinator::JobKey(options_.home_id, key),
                      .task = static_cast<int>(row.at("task").as_int64()),
                      .taken = row.at("taken").as_bool()},
                     key,
                     row.at("site").as_object()});
  }
  return known;
}

/// What the batch systems say of each allocation, told to the coordinator; keys of those that have ended go, and jobs that
/// nobody knows of.
bool PoolWorker::Look() {
  const auto known = AskForKnown();
  if (!known.ok()) return true;
  std::vector<coordinator::OpenAllocation> open;
  std::map<std::string, std::vector<const Known*>> by_site;
  for (const Known& one : *known) {
    open.push_back(one.open);
    by_site[wire::SerializeJson(one.site)].push_back(&one);
  }
  bool strays = false;
  const std::lock_guard lock(systems_mutex_);
  for (const auto& [text, allocations] : by_site) {
    if (const auto system = SystemOf(allocations.front()->site); !system.ok())
      LogWarning("pools", system.error().message);
  }
  for (const auto& [text, system] : systems_) {
    const auto found = by_site.find(text);
    // Strays are seen in any; where nothing is left to look for, those that had something are asked once more.
    if (system == nullptr || (found == by_site.end() && !known->empty())) continue;
    const auto jobs = system->Find(options_.home_id + ":");
    if (!jobs.ok()) {
      LogWarning("pools", jobs.error().message);
      strays = true;  // there may be
      continue;
    }
    if (found != by_site.end()) {
      const auto counts = system->Counts();
      for (const Known* one : found->second) Tell(*one, *jobs, counts.ok() && *counts);
    }
    strays = CancelStrays(*system, open, *jobs) || strays;
  }
  return strays || !known->empty();
}

/// False when there are none.
bool PoolWorker::CancelStrays(cluster::BatchSystem& system,
                              const std::vector<coordinator::OpenAllocation>& open,
                              const std::vector<cluster::Job>& jobs) {
  const auto strays = coordinator::StrayJobs(open, jobs);
  if (strays.empty()) return false;
  for (const cluster::JobRef& stray : strays)
    LogWarning("pools", "job " + stray.id + " is of no allocation any more; it is cancelled");
  if (const Status status = system.Cancel(strays); !status.ok())
    LogWarning("pools", status.error().message);
  return true;
}

void PoolWorker::Tell(const Known& known, const std::vector<cluster::Job>& jobs, bool counts) {
  auto told = watch_.Look(known.open, jobs);
  if (!told) return;
  const bool ended = told->state == coordinator::AllocationTold::State::kEnded;
  told->counted = ended && counts;
  host_->Submit(*told);
  if (!ended) return;
  counting_ = counting_ || counts;
  logs_grew_ = true;
  for (const cluster::Job& job : jobs) {
    if (job.key == known.open.key && job.task == known.open.task && job.failed)
      KeepFailedLog(options_.dir / "logs", job.id);
  }
  DropKeys(known.open.allocation, known.key, known.open.task);
}

void PoolWorker::DropKeys(const AllocationId& allocation, const std::string& key, int task) {
  for (const auto& [text, allowed] : parts_.keys.List()) {
    if (!allowed.node.value.starts_with(allocation.value + ".")) continue;
    (void)parts_.keys.Revoke(allowed.node);
    const std::string index = allowed.node.value.substr(allocation.value.size() + 1);
    std::error_code ignored;
    std::filesystem::remove(KeyFile(key, task, index), ignored);
    std::filesystem::remove(options_.dir / key, ignored);  // with the request's last one
  }
}

}  // namespace muster::server
