#include "runtime/sim/gang.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace muster::sim {
namespace {

/// The trial's length is its own, the rest is drawn for each attempt.
Fate DrawFate(World& world, const wire::Prepare& prepare) {
  Fate fate;
  const std::string& trial = prepare.trial.value;
  Random of_trial(std::hash<std::string>()(trial));
  fate.steps = 1 + static_cast<std::int64_t>(
                       of_trial.Below(static_cast<std::uint64_t>(world.rates.max_steps)));
  fate.script = of_trial.Chance(world.rates.scripts);
  if (prepare.keep_every > 0) {  // donors and clones run the same program
    const std::string sweep = trial.substr(0, trial.rfind('/'));
    fate.script = Random(std::hash<std::string>()(sweep)).Chance(world.rates.scripts);
  }
  fate.ignores_term = world.Fault(world.rates.ignores_term);
  fate.escapes = world.Fault(world.rates.escapes);
  const Rates& rates = world.rates;
  const std::pair<double, Fate::Kind> kinds[] = {{rates.rank_fails, Fate::Kind::kFail},
                                                 {rates.rank_oom, Fate::Kind::kOom},
                                                 {rates.rank_hangs, Fate::Kind::kHang},
                                                 {rates.rank_resumes, Fate::Kind::kResume},
                                                 {rates.shim_lost, Fate::Kind::kShimLost}};
  for (const auto& [chance, kind] : kinds) {
    if (world.Fault(chance)) fate.kind = kind;
  }
  fate.at_step = world.Between(0, fate.steps - 1);
  return fate;
}

}  // namespace

Gang::Gang(World& world, wire::Prepare wanted, Events events)
    : prepare(std::move(wanted)),
      world_(world),
      events_(std::move(events)),
      fate_(DrawFate(world, prepare)),
      alive_(static_cast<std::size_t>(prepare.ranks), false) {}

int Gang::WorldSize() const { return std::max(prepare.world_size, prepare.ranks); }

int Gang::LivingRanks() const { return static_cast<int>(std::ranges::count(alive_, true)); }

Gang::~Gang() { world_.running_ranks[prepare.epoch] -= LivingRanks(); }

bool Gang::AllExitsSeen() const { return static_cast<int>(exits.size()) == prepare.ranks; }

void Gang::MakeFolder() {
  std::int64_t& own = world_.checkpoints[prepare.checkpoint_dir];
  if (own > 0 || prepare.node_rank > 0 || prepare.start_from.empty()) return;
  const auto source = world_.checkpoints.find(prepare.start_from);
  const std::int64_t wanted = std::stoll(prepare.env["MUSTER_CLONED_AT_STEP"]);
  if (source == world_.checkpoints.end()) {
    world_.Violate("S17: " + prepare.trial.value + " starts from " + prepare.start_from +
                   ", which is gone");
  } else if (!fate_.script && source->second != wanted) {
    world_.Violate("S17: " + prepare.trial.value + " starts from step " +
                   std::to_string(source->second) + " of its donor instead of " +
                   std::to_string(wanted));
  } else {
    own = source->second;
  }
}

void Gang::Start(const std::weak_ptr<Gang>& self) {
  if (!shim_ || LivingRanks() > 0 || !exits.empty()) return;
  alive_.assign(alive_.size(), true);
  world_.running_ranks[prepare.epoch] += prepare.ranks;
  escaped_ = fate_.escapes;
  step_ = world_.checkpoints[prepare.checkpoint_dir];
  if (step_ > 0 && !fate_.script) Append(RecordOf(wire::RecordType::kResumed));
  ScheduleStep(self);
}

void Gang::ScheduleStep(const std::weak_ptr<Gang>& self) {
  world_.scheduler.After(world_.About(world_.rates.step), [self] {
    if (const auto gang = self.lock()) gang->Step(self);
  });
}

void Gang::Step(const std::weak_ptr<Gang>& self) {
  if (ending_ || LivingRanks() < prepare.ranks) return;  // a collective waits for ever
  if (world_.running_ranks[prepare.epoch] < WorldSize()) {
    ScheduleStep(self);  // ranks on another node are not there yet, or gone for good
    return;
  }
  if (fate_.kind != Fate::Kind::kFinish && step_ >= fate_.at_step) {
    if (fate_.kind == Fate::Kind::kHang && !world_.bad) {
      fate_.kind = Fate::Kind::kFinish;  // what it waited for has come back
    } else {
      Meet(self);
      return;
    }
  }
  if (step_ < fate_.steps) ++step_;
  if (!LogStep()) {
    --step_;  // MLflow's client tries again
    ScheduleStep(self);
    return;
  }
  if (ending_) return;
  if (step_ < fate_.steps) {
    if (world_.random.Chance(0.3)) {
      Save();
    }
    ScheduleStep(self);
    return;
  }
  ending_ = true;
  if (!fate_.script && prepare.node_rank == 0) {
    wire::TrialRecord result = RecordOf(wire::RecordType::kResult);
    result.metrics = Score();
    Append(std::move(result));
  }
  for (int rank = 0; rank < prepare.ranks; ++rank)
    EndRankLater(self, rank, 0, world_.About(100 * kMillisecond));
}

/// False when it is to be tried again.
bool Gang::LogStep() {
  if (fate_.script && prepare.node_rank > 0) return true;
  if (fate_.script) {
    const World::Logged logged = world_.log_over_http(prepare, step_, Score());
    if (logged == World::Logged::kNoServer) return false;
    if (logged == World::Logged::kStored) return true;
    ending_ = true;
    EndRank(0, 1);  // 403: the script has no idea and gives up
    return true;
  }
  wire::TrialRecord metric = RecordOf(wire::RecordType::kMetric);
  metric.metrics = Score();
  // The attempt and the place in its spool make each record one of a kind, for the checkers.
  metric.metrics["index"] = static_cast<double>(records.size()) + 1e6 * prepare.node_rank;
  Append(std::move(metric));
  return true;
}

void Gang::Meet(const std::weak_ptr<Gang>& self) {
  const int rank = static_cast<int>(world_.random.Below(alive_.size()));
  switch (fate_.kind) {
    case Fate::Kind::kFinish:
      break;
    case Fate::Kind::kFail:
      EndRank(rank, 3);
      break;
    case Fate::Kind::kOom:
      EndRank(rank, 137, true);
      break;
    case Fate::Kind::kHang:
      ScheduleStep(self);  // looks again whether the world got better
      break;
    case Fate::Kind::kResume:
      ending_ = true;
      if (step_ > 0) world_.checkpoints[prepare.checkpoint_dir] = step_;
      for (int one = 0; one < prepare.ranks; ++one)
        EndRankLater(self, one, 75, world_.About(200 * kMillisecond));
      break;
    case Fate::Kind::kShimLost:
      fate_.kind = Fate::Kind::kFinish;  // the ranks do not know and go on
      LoseShim();
      ScheduleStep(self);
      break;
  }
}

wire::TrialRecord Gang::RecordOf(wire::RecordType type) const {
  wire::TrialRecord record;
  record.type = type;
  record.step = step_;
  record.total_steps = fate_.steps;
  if (type == wire::RecordType::kCheckpoint || type == wire::RecordType::kResult)
    record.path = "step-" + std::to_string(step_);
  return record;
}

std::map<std::string, double> Gang::Score() const {
  return {{"score", static_cast<double>(step_)},
          {"epoch", static_cast<double>(prepare.epoch.value)}};
}

void Gang::Append(wire::TrialRecord record) {
  if (!shim_) return;  // nobody listens on the control socket
  const auto size = static_cast<std::int64_t>(40 + world_.random.Below(100));
  records.push_back({records_end() + size, std::move(record)});
  const auto rank = prepare.first_rank + static_cast<int>(world_.random.Below(alive_.size()));
  logs[std::to_string(rank) + ".out"] += 3;
  if (events_.spool_grew) events_.spool_grew();
}

void Gang::Save() {
  world_.checkpoints[prepare.checkpoint_dir] = step_;
  wire::TrialRecord record = RecordOf(wire::RecordType::kCheckpoint);
  const std::int64_t level = prepare.keep_every > 0 ? step_ / prepare.keep_every : 0;
  if (shim_ && level > kept_level_) {
    kept_level_ = level;
    world_.checkpoints[prepare.keep_dir + "/" + std::to_string(step_) + ".a-" +
                       std::to_string(prepare.epoch.value)] = step_;
    record.kept = true;
  }
  Append(std::move(record));
}

void Gang::EndRank(int rank, int code, bool oom) {
  if (!alive_[static_cast<std::size_t>(rank)]) return;
  alive_[static_cast<std::size_t>(rank)] = false;
  if (code != 0) --world_.running_ranks[prepare.epoch];  // one that is done is waited for by nobody
  if (!shim_) return;  // its parent is gone: nobody learns the code
  const int number = prepare.first_rank + rank;
  const agent::RanksExited::Rank seen{{number, code, "exit " + std::to_string(code)}, oom};
  exits.push_back(seen);
  if (AllExitsSeen()) phase = wire::AttemptPhase::kExited;
  if (events_.rank_exited) events_.rank_exited(seen);
}

void Gang::EndRankLater(const std::weak_ptr<Gang>& self, int rank, int code, Micros delay) {
  world_.scheduler.After(delay, [self, rank, code] {
    if (const auto gang = self.lock()) gang->EndRank(rank, code);
  });
}

void Gang::Terminate(const std::weak_ptr<Gang>& self) {
  if (fate_.ignores_term || ending_) return;
  ending_ = true;
  if (LivingRanks() == prepare.ranks && step_ > 0) {
    if (fate_.script) {
      world_.checkpoints[prepare.checkpoint_dir] = step_;
    } else {
      Save();
    }
  }
  constexpr int kCodes[] = {0, 75, 143};
  for (int rank = 0; rank < prepare.ranks; ++rank)
    EndRankLater(self, rank, kCodes[world_.random.Below(3)], world_.About(kSecond));
}

void Gang::KillNow() {
  ending_ = true;
  // The shim dies somewhere among its ranks; of those after it nobody learns.
  const auto seen = static_cast<std::size_t>(world_.Between(0, prepare.ranks));
  for (std::size_t rank = 0; rank < alive_.size(); ++rank) {
    if (rank >= seen) shim_ = false;
    EndRank(static_cast<int>(rank), 137);
  }
  shim_ = false;
}

void Gang::LoseRank() {
  if (LivingRanks() == 0) return;
  std::size_t rank = world_.random.Below(alive_.size());
  while (!alive_[rank]) rank = (rank + 1) % alive_.size();
  EndRank(static_cast<int>(rank), 137);
}

void Gang::LoseShim() {
  if (!std::exchange(shim_, false)) return;
  if (events_.shim_lost) events_.shim_lost();
}

void Gang::LosePower() {
  events_ = {};
  ending_ = true;
  shim_ = false;
  escaped_ = false;
  world_.running_ranks[prepare.epoch] -= LivingRanks();
  alive_.assign(alive_.size(), false);
  const std::size_t kept = static_cast<std::size_t>(
      world_.Between(static_cast<Micros>(records.size()) / 2, static_cast<Micros>(records.size())));
  records.resize(kept);
}

}  // namespace muster::sim
