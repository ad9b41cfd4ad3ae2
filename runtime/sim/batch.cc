#include "runtime/sim/batch.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace muster::sim {
namespace {

using Event = cluster::MemoryBatchSystem::Event;

constexpr Micros kTurn = 200 * kMillisecond;  ///< the system's own time goes in such steps
constexpr Micros kLookEvery = kSecond;

cluster::MemoryBatchSystem::Site SiteOf(const Rates& rates) {
  return {.nodes = rates.batch.machines,
          .cpus_per_node = rates.batch.machine_slots,
          .time_seconds_most = 86'400,
          .jobs_most = rates.batch.jobs_most,
          .start = kEpochStart};
}

/// A system that has forgotten, or does not say, what it took.
class Blind final : public cluster::BatchSystem {
 public:
  explicit Blind(cluster::BatchSystem& system) : system_(system) {}
  Status Check(const cluster::JobRequest& request) override { return system_.Check(request); }
  Result<std::string> Submit(const cluster::JobRequest& request) override {
    return system_.Submit(request);
  }
  Result<std::vector<cluster::Job>> Find(const std::string& /*prefix*/) override {
    return std::vector<cluster::Job>();
  }
  Status Cancel(const std::vector<cluster::JobRef>& jobs) override { return system_.Cancel(jobs); }
  Result<bool> Counts() override { return system_.Counts(); }
  Result<std::vector<cluster::JobUsage>> Usage(const std::vector<cluster::JobRef>& jobs) override {
    return system_.Usage(jobs);
  }

 private:
  cluster::BatchSystem& system_;
};

}  // namespace

Batch::Batch(World& world, CoordinatorHost& coordinator, Network& network, MakeNode make_node)
    : world_(world),
      coordinator_(coordinator),
      network_(network),
      make_node_(std::move(make_node)),
      system_(SiteOf(world.rates)) {
  const auto machines = static_cast<std::size_t>(world_.rates.batch.machines);
  for (std::size_t machine = 0; machine < machines; ++machine) {
    const Micros most = world_.rates.batch.skew;
    skew_.push_back(most == 0 ? 0 : world_.Between(-most, most));
  }
}

void Batch::Run() {
  Advance();
  Look();
}

UnixMillis Batch::MachineTime(int machine) const {
  return kEpochStart +
         (world_.scheduler.now() + skew_[static_cast<std::size_t>(machine)]) / kMillisecond;
}

// --- what the server does ---------------------------------------------------------------------------

Result<boost::json::object> Batch::Carry(const coordinator::Command& command) {
  if (const auto* submit = std::get_if<coordinator::SubmitAllocations>(&command)) {
    auto done = Submit(*submit);
    world_.Trace([&] {
      return "batch < submit " + submit->key + " x " + std::to_string(submit->allocations.size()) +
             (done.ok() ? ": taken" : ": " + done.error().message);
    });
    return done;
  }
  const auto& cancel = std::get<coordinator::CancelAllocation>(command);
  world_.Trace([&] { return "batch < cancel " + cancel.allocation.value; });
  MUSTER_RETURN_IF_ERROR(
      coordinator::CancelTask(system_, coordinator::JobKey(HomeId(), cancel.key), cancel.task));
  return boost::json::object();
}

Result<boost::json::object> Batch::Submit(const coordinator::SubmitAllocations& command) {
  const auto allow = [&](bool allowed) {
    for (const AllocationId& id : command.allocations) network_.Allow(id, allowed);
  };
  allow(true);
  cluster::JobRequest request = coordinator::RequestFor(command, HomeId());
  request.command = {"agent"};
  request.requeue = world_.rates.batch.requeues;
  request.log_dir = "/logs";
  const Rates::BatchRates& rates = world_.rates.batch;
  if (world_.Fault(rates.refuse)) {
    allow(false);
    return Invalid("the batch system refuses");
  }
  if (world_.Fault(rates.full)) return ResourceExhausted("too many jobs wait");
  if (world_.Fault(rates.answer_lost)) system_.LoseNextAnswer();
  if (world_.Fault(rates.taken_late)) {
    // The command that asks lives on without whoever waited for it.
    world_.scheduler.After(world_.About(10 * kSecond),
                           [this, request] { (void)system_.Submit(request); });
    return Unavailable("the batch system's answer did not come in time");
  }
  Blind blind(system_);
  cluster::BatchSystem* asked = &system_;
  if (world_.sabotage == Sabotage::kBlindSubmit) asked = &blind;
  auto taken = coordinator::SubmitMissing(*asked, std::move(request));
  if (!taken.ok() && coordinator::RefusedForGood(taken.error().kind)) allow(false);
  if (!taken.ok()) return taken.error();
  return boost::json::object{{"job", *std::move(taken)}};
}

std::vector<coordinator::OpenAllocation> Batch::Open() const {
  std::vector<coordinator::OpenAllocation> open;
  for (const auto& [id, one] : coordinator_.coordinator().state().allocations) {
    open.push_back(
        {id, coordinator::JobKey(HomeId(), one.asked.key), one.asked.task, !one.job.empty()});
  }
  return open;
}

void Batch::Look() {
  world_.scheduler.After(kLookEvery / 2 + world_.About(kLookEvery / 2), [this] { Look(); });
  if (!coordinator_.up() || !coordinator_.idle()) return;
  if (std::exchange(life_, coordinator_.life()) != coordinator_.life()) watch_ = {};
  const auto jobs = system_.Find(HomeId() + ":");
  if (!jobs.ok()) return;
  const auto open = Open();
  for (const coordinator::OpenAllocation& one : open) {
    const auto told = watch_.Look(one, *jobs);
    if (!told) continue;
    if (told->state == coordinator::AllocationTold::State::kEnded)
      network_.Allow(one.allocation, false);
    coordinator_.Take(*told);
  }
  if (world_.sabotage == Sabotage::kBlindSubmit) return;
  const auto strays = coordinator::StrayJobs(open, *jobs);
  for (const cluster::JobRef& stray : strays)
    world_.Trace([&] { return "batch < cancel stray " + stray.id + " of " + stray.key; });
  (void)system_.Cancel(strays);
}

// --- what the batch system does ---------------------------------------------------------------------

std::vector<cluster::Job> Batch::LiveJobs() {
  system_.SetAway(false);
  auto jobs = system_.Find("");
  system_.SetAway(away_);
  std::erase_if(*jobs,
                [](const cluster::Job& job) { return job.state == cluster::JobState::kEnded; });
  return *std::move(jobs);
}

void Batch::Advance() {
  system_.Advance(kTurn / kMillisecond);
  for (const Event& event : system_.TakeEvents()) Take(event);
  world_.scheduler.After(kTurn, [this] { Advance(); });
}

void Batch::Take(const Event& event) {
  if (event.kind == Event::Kind::kStarted) {
    const cluster::JobRequest& request = system_.request_of(event.id);
    starts_[event.start] = {.job = event.id, .machines = event.nodes};
    current_[event.id] = event.start;
    // The allocation's number follows the request's, as the coordinator counts them.
    const std::string key = request.key.substr(HomeId().size() + 1);
    const std::size_t dash = key.rfind('-');
    const std::size_t underscore = event.id.find('_');
    const int place =
        underscore == std::string::npos ? 0 : std::stoi(event.id.substr(underscore + 1));
    const int task = request.first_task + place;
    const AllocationId allocation(key.substr(0, dash + 1) +
                                  std::to_string(std::stoi(key.substr(dash + 1)) + task));
    world_.scheduler.After(
        world_.About(world_.rates.batch.start_delay),
        [this, number = event.start, allocation, request] { Begin(number, allocation, request); });
    return;
  }
  Start& start = starts_.at(event.start);
  const bool warned = event.kind == Event::Kind::kWarned;
  world_.Trace([&] {
    return "batch: " + event.id + (warned ? " is warned" : " is killed") + " (start " +
           std::to_string(event.start) + ")";
  });
  for (Node* node : start.nodes)
    node->Leave(warned ? wire::ExitCause::kWalltime : wire::ExitCause::kPreempt);
  if (warned) return;
  start.killed = true;
  const auto current = current_.find(event.id);
  if (current != current_.end() && current->second == event.start) current_.erase(current);
  world_.scheduler.After(world_.rates.batch.kill_wait, [this, number = event.start] {
    for (Node* node : starts_.at(number).nodes) node->KillLent(world_.rates.batch.contained);
  });
}

void Batch::Begin(int number, const AllocationId& allocation, const cluster::JobRequest& request) {
  if (starts_.at(number).killed) return;
  starts_.at(number).agents = request.nodes;
  world_.Trace(
      [&] { return "batch: start " + std::to_string(number) + " of " + allocation.value; });
  for (int index = 0; index < request.nodes; ++index) {
    const int machine = starts_.at(number).machines[static_cast<std::size_t>(index)];
    Node* node =
        make_node_(NodeId(allocation.value + "." + std::to_string(index)), request.cpus_per_node,
                   {.incarnation = MachineTime(machine),
                    .ended = [this, number](int code) { AgentEnded(number, code); }});
    starts_.at(number).nodes.push_back(node);
  }
}

/// A job ends when its command has on all its nodes.
void Batch::AgentEnded(int number, int exit_code) {
  Start& start = starts_.at(number);
  start.exit_code = std::max(start.exit_code, exit_code);
  if (--start.agents > 0 || start.killed) return;
  const auto current = current_.find(start.job);
  if (current == current_.end() || current->second != number) return;
  system_.Finish(start.job, start.exit_code);
}

// --- faults -----------------------------------------------------------------------------------------

void Batch::Heal() {
  away_ = false;
  system_.SetAway(false);
  for (const int machine : std::exchange(lost_, {})) system_.HealNode(machine);
}

void Batch::GoAway() {
  world_.Trace([] { return std::string("batch does not answer for a while"); });
  away_ = true;
  system_.SetAway(true);
  world_.scheduler.After(world_.About(world_.rates.batch.away_for), [this, absence = ++absences_] {
    if (absence != absences_) return;
    away_ = false;
    system_.SetAway(false);
  });
}

/// Something befalls a job that runs.
void Batch::Disturb() {
  std::vector<std::string> running;
  running.reserve(current_.size());
  for (const auto& [id, start] : current_) running.push_back(id);
  if (running.empty()) return;
  const std::string id = running[world_.random.Below(running.size())];
  current_.erase(id);
  switch (world_.random.Below(4)) {
    case 0:
      world_.Trace([&] { return "batch requeues " + id; });
      system_.Requeue(id);
      break;
    case 1:
      world_.Trace([&] { return "batch doubles " + id; });
      system_.Double(id);
      break;
    case 2:
      world_.Trace([&] { return "batch loses " + id; });
      system_.Lose(id);
      break;
    default:
      world_.Trace([&] { return "batch ends " + id; });
      system_.Finish(id, 1);
  }
}

/// The batch system cannot reach it; its processes go on, and may reach the coordinator all the same.
void Batch::LoseMachine() {
  const int machine = static_cast<int>(world_.random.Below(skew_.size()));
  const Micros how_long = world_.About(20 * kSecond);
  const bool cut = world_.random.Chance(0.5);
  if (!lost_.insert(machine).second) return;
  world_.Trace([&] { return "batch loses machine " + std::to_string(machine); });
  for (auto& [number, start] : starts_) {
    if (!std::ranges::count(start.machines, machine)) continue;
    const auto current = current_.find(start.job);
    if (current != current_.end() && current->second == number) current_.erase(current);
    for (std::size_t index = 0; cut && index < start.nodes.size(); ++index) {
      if (start.machines[index] != machine) continue;
      network_.Partition(*start.nodes[index], Network::Way::kToNode, how_long);
      network_.Partition(*start.nodes[index], Network::Way::kToCoordinator, how_long);
    }
  }
  system_.LoseNode(machine);
  world_.scheduler.After(how_long, [this, machine] {
    if (lost_.erase(machine) > 0) system_.HealNode(machine);
  });
}

}  // namespace muster::sim
