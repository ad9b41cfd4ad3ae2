#include "runtime/sim/checker.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>
#include <variant>

#include "runtime/coordinator/verify_search.h"

namespace muster::sim {
namespace {

using coordinator::TrialPhase;

std::string SweepName(const TrialId& trial) {
  return trial.value.substr(0, trial.value.rfind('/'));
}
std::string Name(AttemptEpoch epoch) { return "attempt " + std::to_string(epoch.value); }

}  // namespace

// --- the book ---------------------------------------------------------------------------------------

void Checker::Committed(const std::vector<coordinator::Event>& events) {
  for (const auto& event : events) std::visit([this](const auto& one) { On(one); }, event.body);
}

void Checker::Acknowledged(const SweepId& sweep) {
  if (!sweeps_.contains(sweep))
    world_.Violate("S1: sweep " + sweep.value + " is acknowledged before it is durable");
  acknowledged_.insert(sweep);
}

void Checker::On(const coordinator::CoordinatorStarted& event) {
  if (event.epoch <= coordinator_)
    world_.Violate("S9: coordinator epoch " + std::to_string(event.epoch.value) + " after " +
                   std::to_string(coordinator_.value));
  coordinator_ = event.epoch;
}

void Checker::On(const coordinator::SweepEnded& event) {
  if (!ended_.insert(event.sweep).second)
    world_.Violate("S7: sweep " + event.sweep.value + " ends twice");
}

void Checker::On(const coordinator::AttemptStarted& event) {
  if (event.epoch <= newest_)
    world_.Violate("S9: " + Name(event.epoch) + " after " + Name(newest_));
  newest_ = event.epoch;
  TrialBook& trial = trials_[event.trial];
  if (trial.final) world_.Violate("S7: " + Name(event.epoch) + " of a trial that has ended");
  if (const auto old = attempts_.find(trial.newest); old != attempts_.end() && !old->second.ended)
    world_.Violate("S2: " + Name(event.epoch) + " while " + Name(trial.newest) + " is live");
  trial.newest = event.epoch;
  AttemptBook& attempt = attempts_[event.epoch];
  attempt.trial = event.trial;
  for (const coordinator::Placement& place : event.places) {
    const std::string& node = place.node.value;
    if (resting_.contains(place.node) || excluded_.contains({SweepName(event.trial), place.node}))
      world_.Violate("S15: " + Name(event.epoch) + " is given to " + node +
                     ", which is out of work");
    for (const int slot : place.slots) {
      AttemptEpoch& holder = holders_[{node, slot}];
      if (holder.value != 0)
        world_.Violate("S8: slot " + std::to_string(slot) + " of " + node + " is given to " +
                       Name(event.epoch) + " while " + Name(holder) + " holds it");
      holder = event.epoch;
    }
    attempt.parts[node] = {.slots = place.slots};
  }
}

void Checker::CheckLive(AttemptEpoch epoch, const char* what) {
  const auto found = attempts_.find(epoch);
  if (found == attempts_.end() || found->second.ended)
    world_.Violate("S5: " + std::string(what) + " of " + Name(epoch) + ", which is not live");
}

void Checker::On(const coordinator::AttemptPrepared& event) {
  CheckLive(event.epoch, "readiness");
  attempts_[event.epoch].parts[event.node.value].prepared = true;
}

void Checker::On(const coordinator::MemberEnded& event) {
  CheckLive(event.epoch, "the end of a part");
  EndPart(event.node.value, attempts_[event.epoch].parts[event.node.value]);
}

void Checker::EndPart(const std::string& node, PartBook& part) {
  if (std::exchange(part.ended, true)) return;
  for (const int slot : part.slots) holders_[{node, slot}] = {};
}

void Checker::On(const coordinator::AttemptEnded& event) {
  CheckLive(event.epoch, "a second end");
  AttemptBook& attempt = attempts_[event.epoch];
  attempt.ended = true;
  using coordinator::Charge;
  const bool made_room = event.cause == wire::ExitCause::kPreempt ||
                         event.cause == wire::ExitCause::kWalltime ||
                         event.cause == wire::ExitCause::kResume;
  if (made_room && event.charge != Charge::kNothing && event.charge != Charge::kPreempt &&
      event.charge != Charge::kWalltime)
    world_.Violate("S15: " + Name(event.epoch) + " made room and is counted as a failure");
  for (auto& [node, part] : attempt.parts) EndPart(node, part);
}

void Checker::On(const coordinator::Reported& event) {
  CheckLive(event.epoch, "a report");
  TrialBook& trial = trials_[attempts_[event.epoch].trial];
  for (const auto& checkpoint : event.checkpoints) {
    trial.saved = std::max(trial.saved, checkpoint.step);
  }
  if (event.node.empty()) return;  // from the tracker, not from a spool
  PartBook& part = attempts_[event.epoch].parts[event.node.value];
  if (event.records_end < part.records_end)
    world_.Violate("S6: the records of " + Name(event.epoch) + " go back");
  part.records_end = event.records_end;
}

void Checker::On(const coordinator::OutboxAdded& event) {
  const auto* drop = std::get_if<coordinator::DropCheckpoints>(&event.command);
  if (drop == nullptr) return;
  TrialBook& trial = trials_[drop->trial];
  const bool own = std::ranges::find(drop->folders, drop->trial.value) != drop->folders.end();
  trial.dropped = trial.dropped || own;
}

void Checker::On(const coordinator::NodeChanged& event) {
  if (event.change != coordinator::NodeChange::kUncordoned) {
    resting_.insert(event.node);
    return;
  }
  resting_.erase(event.node);
  std::erase_if(excluded_, [&](const auto& one) { return one.second == event.node; });
}

void Checker::On(const coordinator::LogRuleFired& event) {
  if (event.excludes_node) excluded_.insert({SweepName(attempts_[event.epoch].trial), event.node});
}

void Checker::On(const coordinator::TrialEnded& event) {
  TrialBook& trial = trials_[event.trial];
  if (trial.final) world_.Violate("S7: trial " + event.trial.value + " ends twice");
  trial.final = event.phase;
  if (event.phase != TrialPhase::kComplete) return;
  if (++trial.results > 1) world_.Violate("S2: trial " + event.trial.value + " has two results");
  if (event.epoch != trial.newest)
    world_.Violate("S2: trial " + event.trial.value + " gets the result of " + Name(event.epoch) +
                   ", its newest is " + Name(trial.newest));
  trial.committed = event.epoch;
}

void Checker::On(const coordinator::TrialRetried& event) {
  TrialBook& trial = trials_[event.trial];
  if (trial.final != TrialPhase::kFailed && trial.final != TrialPhase::kCancelled)
    world_.Violate("S7: trial " + event.trial.value + " is retried though it did not fail");
  trial.final.reset();
  if (trial.dropped) trial.saved = 0;  // it had been given up, and begins anew
  trial.dropped = false;
}

// --- effects and nodes ------------------------------------------------------------------------------

void Checker::Acting(const coordinator::Action& action) {
  const auto* store = std::get_if<coordinator::StoreMetrics>(&action);
  if (store == nullptr) return;
  CheckLive(store->epoch, "metrics");
  for (const auto& metric : store->metrics) {
    if (metric.key == "epoch" && static_cast<std::int64_t>(metric.value) != store->epoch.value)
      world_.Violate("S5: a metric of attempt " +
                     std::to_string(static_cast<std::int64_t>(metric.value)) +
                     " is stored as one of " + Name(store->epoch));
  }
}

void Checker::Making(const std::string& node, bool lent, const wire::Prepare& prepare) {
  const auto found = attempts_.find(prepare.epoch);
  if (found == attempts_.end()) {
    world_.Violate("S4: " + Name(prepare.epoch) + " is made before its epoch is durable");
    return;
  }
  const auto part = found->second.parts.find(node);
  const bool here = part != found->second.parts.end();
  // A machine that lost its disk may make it again, as long as no rank has run; an older start of a lent node's agent, late,
  // which hears no Go.
  if (here && part->second.started && !lent)
    world_.Violate("S2: " + Name(prepare.epoch) + " is made again after it ran");
  if (!here || part->second.slots != prepare.slots || found->second.trial != prepare.trial)
    world_.Violate("S4: " + Name(prepare.epoch) + " is made on " + node +
                   " with another node, trial or slots than it was given");
}

void Checker::Starting(const std::string& node, const wire::Prepare& prepare) {
  const auto found = attempts_.find(prepare.epoch);
  const bool ready = found != attempts_.end() &&
                     std::ranges::all_of(found->second.parts,
                                         [](const auto& part) { return part.second.prepared; });
  if (!ready)
    world_.Violate("S4: ranks of " + Name(prepare.epoch) +
                   " start before the readiness of all of its nodes is durable");
  else if (std::exchange(found->second.parts[node].started, true))
    world_.Violate("S2: ranks of " + Name(prepare.epoch) + " start twice on " + node);
  const TrialBook& trial = trials_[prepare.trial];
  const bool gone = trial.saved > 0 && world_.checkpoints[prepare.checkpoint_dir] == 0;
  if (trial.dropped || gone)
    world_.Violate("S17: " + Name(prepare.epoch) + " goes on from a checkpoint that " +
                   (gone ? "is gone" : "may be deleted"));
}

void Checker::Forgetting(const Gang& gang) {
  // The result ends the spool of the first node; another one may be lost before its own is sent.
  if (gang.prepare.node_rank > 0) return;
  std::set<std::int64_t>& indices = spooled_[gang.prepare.epoch];
  for (const SpoolLine& line : gang.records) {
    if (const auto index = line.record.metrics.find("index"); index != line.record.metrics.end())
      indices.insert(static_cast<std::int64_t>(index->second));
  }
}

// --- states -----------------------------------------------------------------------------------------

void Checker::CompareStates(const coordinator::State& live,
                            const std::vector<coordinator::Event>& events) {
  coordinator::State replayed;
  for (const auto& event : events) coordinator::ApplyEvent(replayed, event);
  const auto one = coordinator::Dump(live), other = coordinator::Dump(replayed);
  if (one == other) return;
  const std::string left = boost::json::serialize(one), right = boost::json::serialize(other);
  const auto differs = std::ranges::mismatch(left, right).in1 - left.begin();
  const auto from = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, differs - 80));
  world_.Violate("S9: the state is not what its events give: ..." + left.substr(from, 160) +
                 "... against ..." + right.substr(from, 160));
}

void Checker::CheckSearches(const coordinator::State& state,
                            const std::vector<coordinator::Event>& events) {
  for (const auto& [id, sweep] : state.sweeps) {
    coordinator::SearchVerifier verifier(id, 5);
    for (const auto& event : events) verifier.Read(event);
    const auto verified = verifier.Finish();
    if (!verified.ok()) world_.Violate("S16: " + verified.error().message);
    if (!verified.ok() || verified->differences.empty()) continue;
    const auto& first = verified->differences.front();
    world_.Violate("S16: trial " + std::to_string(first.trial) + " of sweep " + id.value +
                   " was suggested " + boost::json::serialize(first.recorded) +
                   ", its journal gives " + boost::json::serialize(first.computed) + first.message);
  }
}

void Checker::CheckState(const coordinator::State& state) {
  for (const SweepId& sweep : acknowledged_) {
    if (state.FindSweep(sweep) == nullptr) world_.Violate("S1: sweep " + sweep.value + " is lost");
  }
  std::size_t held = 0, wanted = 0;
  for (const auto& [id, node] : state.nodes) {
    for (const auto& [slot, epoch] : node.holders) {
      const auto* attempt = state.FindAttempt(epoch);
      const auto* member = attempt == nullptr ? nullptr : attempt->LiveMember(id);
      if (member == nullptr ||
          std::ranges::find(member->place.slots, slot) == member->place.slots.end() || slot < 0 ||
          slot >= node.slots) {
        world_.Violate("S8: slot " + std::to_string(slot) + " of " + id.value + " is held by " +
                       Name(epoch) + ", which has no right to it");
      }
      ++held;
    }
  }
  for (const AttemptEpoch epoch : state.live) {
    const auto* attempt = state.FindAttempt(epoch);
    if (attempt == nullptr || !attempt->live()) {
      world_.Violate("S8: " + Name(epoch) + " counts as live and is not");
      continue;
    }
    for (const auto& member : attempt->members) {
      if (member.live()) wanted += member.place.slots.size();
    }
  }
  if (held != wanted)
    world_.Violate("S8: " + std::to_string(held) + " slots are held, live attempts have " +
                   std::to_string(wanted));
}

void Checker::CheckEnd(const coordinator::State& state) {
  for (const auto& [id, book] : trials_) {
    const coordinator::Trial* trial = state.FindTrial(id);
    if (trial == nullptr) {
      world_.Violate("S1: trial " + id.value + " is lost");
      continue;
    }
    if (!book.final || *book.final != trial->phase)
      world_.Violate("S7: the phase of trial " + id.value + " is not the one it ended with");
    if (!stores_.finished().contains(trial->run))
      world_.Violate("L2: the run of trial " + id.value + " was never finished in the tracker");
    if (book.committed.value == 0) continue;
    const std::set<std::int64_t> stored = stores_.IndicesOf(book.committed);
    const std::set<std::int64_t>& spooled = spooled_[book.committed];
    // A machine that lost power may have a shorter spool than what was acknowledged before.
    if (!std::ranges::includes(stored, spooled))
      world_.Violate("S6: the tracker has " + std::to_string(stored.size()) + " of the " +
                     std::to_string(spooled.size()) + " metrics of " + Name(book.committed) +
                     " of trial " + id.value);
  }
  for (const auto& [sweep, times] : stores_.promotions()) {
    if (times > 1) world_.Violate("S2: sweep " + sweep.value + " is promoted twice");
  }
  for (const auto& [id, sweep] : state.sweeps) {
    CheckCheckpoints(sweep);
    const bool wanted = sweep.phase == coordinator::SweepPhase::kComplete && sweep.spec.model;
    if (wanted && !stores_.promotions().contains(id))
      world_.Violate("L2: sweep " + id.value + " is complete and its model was never promoted");
  }
}

void Checker::CheckCheckpoints(const coordinator::Sweep& sweep) {
  using coordinator::SweepPhase;
  for (const auto& trial : sweep.trials) {
    const bool stays = trial.phase == TrialPhase::kComplete ||
                       (trial.phase != TrialPhase::kPruned && sweep.phase != SweepPhase::kComplete);
    const bool there = !trial.attempts.empty() && !trial.dropped;
    if (stays && trial.phase == TrialPhase::kComplete && !there)
      world_.Violate("S17: the checkpoints of " + trial.id.value + ", which completed, are gone");
    if (!stays && there)
      world_.Violate("S17: the checkpoints of " + trial.id.value + " were never deleted");
    if (!trial.kept.empty())
      world_.Violate("S17: copies of " + trial.id.value + " were never deleted");
  }
}

}  // namespace muster::sim
