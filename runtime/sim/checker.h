#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/coordinator/coordinator.h"
#include "runtime/sim/gang.h"
#include "runtime/sim/stores.h"
#include "runtime/sim/world.h"

/// What must hold in every history. It has a book of its own, kept from the durable events and from what
/// happens on the nodes, and trusts neither coordinator nor agent.
///
///   S1  an acknowledged sweep is never lost
///   S2  a trial has at most one committed result, of its newest attempt; an attempt's ranks start once
///   S3  a slot never holds processes of two attempts (Node checks it)
///   S4  no rank runs before its attempt's epoch and the readiness of all its nodes are durable; a gang has
///       all its slots
///   S5  nothing an ended attempt says has an effect
///   S6  the tracker holds every metric of a completed trial's attempt, once, and no other as its
///   S7  final states are final
///   S8  slots: held by one live attempt each, and by no other
///   S9  epochs increase; replaying the events gives the state
///   S17 no trial goes on from, and no clone starts from, a checkpoint that is gone; a clone's is of the step that its
///       donor was chosen at (Gang looks). Checkpoints that nothing will start from are deleted, no others
///   S15  a node out of work gets no attempt; an attempt that made room costs its trial no retry of another cause

namespace muster::sim {

class Checker {
 public:
  Checker(World& world, const Stores& stores) : world_(world), stores_(stores) {}

  void Acknowledged(const SweepId& sweep);
  /// These events have just become durable.
  void Committed(const std::vector<coordinator::Event>& events);
  void Acting(const coordinator::Action& action);
  void Logging(AttemptEpoch epoch) { CheckLive(epoch, "a logged metric"); }
  /// `lent`: another start of the node's agent may have another home.
  void Making(const std::string& node, bool lent, const wire::Prepare& prepare);
  void Starting(const std::string& node, const wire::Prepare& prepare);
  void Forgetting(const Gang& gang);

  /// `live` is a coordinator's state with nothing uncommitted, `replayed` what its journal gives.
  void CompareStates(const coordinator::State& live, const std::vector<coordinator::Event>& events);
  /// S16: every suggestion is what the journal before it gives, whoever crashed in between.
  void CheckSearches(const coordinator::State& state,
                     const std::vector<coordinator::Event>& events);
  void CheckState(const coordinator::State& state);
  /// After everything has ended.
  void CheckEnd(const coordinator::State& state);

  [[nodiscard]] int attempts() const { return static_cast<int>(attempts_.size()); }

 private:
  struct PartBook {  ///< of a gang, on one node
    std::vector<int> slots;
    bool prepared = false, started = false, ended = false;
    std::int64_t records_end = 0;
  };
  struct AttemptBook {
    TrialId trial;
    std::map<std::string, PartBook> parts;
    bool ended = false;
  };
  struct TrialBook {
    AttemptEpoch newest;
    std::optional<coordinator::TrialPhase> final;
    int results = 0;
    AttemptEpoch committed;
    std::int64_t saved = 0;  ///< the farthest checkpoint that the coordinator has heard of
    bool dropped = false;
  };
  void On(const coordinator::CoordinatorStarted& event);
  void On(const coordinator::SweepSubmitted& event) { sweeps_.insert(event.sweep); }
  void On(const coordinator::SweepEnded& event);
  void On(const coordinator::TrialEnded& event);
  void On(const coordinator::TrialRetried& event);
  void On(const coordinator::AttemptStarted& event);
  void On(const coordinator::AttemptPrepared& event);
  void On(const coordinator::MemberEnded& event);
  void On(const coordinator::AttemptEnded& event);
  void On(const coordinator::Reported& event);
  void On(const coordinator::OutboxAdded& event);
  void On(const coordinator::NodeChanged& event);
  void On(const coordinator::LogRuleFired& event);
  template <typename Other>
  void On(const Other&) {}
  void CheckCheckpoints(const coordinator::Sweep& sweep);
  void CheckLive(AttemptEpoch epoch, const char* what);
  void EndPart(const std::string& node, PartBook& part);

  World& world_;
  const Stores& stores_;
  std::set<SweepId> acknowledged_, sweeps_, ended_;
  CoordinatorEpoch coordinator_;
  AttemptEpoch newest_;
  std::map<AttemptEpoch, AttemptBook> attempts_;
  std::map<TrialId, TrialBook> trials_;
  std::map<std::pair<std::string, int>, AttemptEpoch> holders_;
  std::set<NodeId> resting_;                                ///< nodes out of work
  std::set<std::pair<std::string, NodeId>> excluded_;       ///< by a sweep's on_log
  std::map<AttemptEpoch, std::set<std::int64_t>> spooled_;  ///< indices, of forgotten attempts
};

}  // namespace muster::sim
