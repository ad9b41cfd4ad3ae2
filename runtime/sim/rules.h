#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/coordinator/event.h"
#include "runtime/sim/node.h"
#include "runtime/sim/world.h"
#include "runtime/wire/sweep_spec.h"

/// More of what must hold in every history, beside `checker.h`: promises about time and about what nodes and
/// coordinator may believe of each other. A book of its own, too.
///
///   S10  a trial fails when a retry budget is used up, and neither before nor later
///   S11  a node that nobody has heard for lease + margin has no living ranks and starts none; ranks of two
///        attempts of a trial do not run at once. (An agent that was stopped or dead cannot see to that: its
///        attempts are fenced all the same, S5.)
///   S12  a trial that was pruned completes by a result it reported, never by its exit code
///   S13  an agent never follows an older coordinator than it has known
///   S14  a sweep's time limit is time that passed, whatever the wall clock says
///   L3   what is to stop has stopped in bounded time once nothing goes wrong any more

namespace muster::sim {

class Rules {
 public:
  using Nodes = std::vector<std::unique_ptr<Node>>;
  Rules(World& world, const Nodes& nodes) : world_(world), nodes_(nodes) {}

  /// These events have just become durable.
  void Committed(const std::vector<coordinator::Event>& events);
  /// The coordinator takes a message of the node.
  void Heard(const Node& node) { heard_[&node] = world_.scheduler.now(); }
  void Sent(const Node& node, const wire::Envelope& envelope);
  void Starting(const Node& node, const wire::Prepare& prepare);
  void Healed() { healed_ = world_.scheduler.now(); }
  /// Every second or so.
  void Look(bool coordinator_steady);

 private:
  struct AttemptBook {
    TrialId trial;
    std::optional<coordinator::StopDecided> stop;
    Micros stopped_at = 0;
    bool result = false;
    bool may_fail = false;  ///< an on_log rule says that its trial is to fail
  };
  struct TrialBook {
    SweepId sweep;
    std::map<std::string, int> failures;  ///< by budget, as the causes of ends say
    int crashes = 0;                      ///< nodes lost under it
  };
  struct SweepBook {
    wire::RetrySpec retry;
    std::vector<wire::LogRule> on_log;
    std::int64_t seconds = 0;
    std::optional<Micros> started;
    bool over = false;  ///< its time limit, or any other end
  };
  void On(const coordinator::CoordinatorStarted& event);
  void On(const coordinator::SweepSubmitted& event);
  void On(const coordinator::SweepChanged& event);
  void On(const coordinator::SweepPromoting& event) { sweeps_[event.sweep].over = true; }
  void On(const coordinator::SweepEnded& event) { sweeps_[event.sweep].over = true; }
  void On(const coordinator::TrialCreated& event) { trials_[event.trial].sweep = event.sweep; }
  void On(const coordinator::TrialEnded& event);
  void On(const coordinator::TrialRetried& event);
  void On(const coordinator::AttemptStarted& event);
  void On(const coordinator::StopDecided& event);
  void On(const coordinator::AttemptEnded& event);
  void On(const coordinator::Reported& event);
  void On(const coordinator::LogRuleFired& event);
  template <typename Other>
  void On(const Other&) {}
  [[nodiscard]] Micros SilenceOf(const Node& node) const;
  void LookAtSweeps();

  World& world_;
  const Nodes& nodes_;
  std::map<SweepId, SweepBook> sweeps_;
  std::map<TrialId, TrialBook> trials_;
  std::map<AttemptEpoch, AttemptBook> live_;
  AttemptEpoch failed_;  ///< of the TrialEnded just before, when that was a failure
  std::map<const Node*, Micros> heard_;
  struct Belief {
    std::int64_t life = 0;
    CoordinatorEpoch coordinator;
  };
  std::map<const Node*, Belief> beliefs_;
  Micros coordinator_since_ = 0;
  std::optional<Micros> healed_;
};

}  // namespace muster::sim
