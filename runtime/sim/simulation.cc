#include "runtime/sim/simulation.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/sim/batch.h"
#include "runtime/sim/checker.h"
#include "runtime/sim/coordinator_host.h"
#include "runtime/sim/network.h"
#include "runtime/sim/node.h"
#include "runtime/sim/pool_rules.h"
#include "runtime/sim/rules.h"
#include "runtime/sim/stores.h"
#include "runtime/sim/world.h"

namespace muster::sim {
namespace {

void DrawPolicies(World& world, wire::SweepSpec& spec) {
  Random& random = world.random;
  const auto some_have_their_own = [&](std::optional<int>& budget) {
    const int drawn = static_cast<int>(random.Below(6)) - 1;  // kUnlimited, too
    if (random.Chance(0.3)) budget = drawn;
  };
  spec.retry.infra = static_cast<int>(random.Below(6));
  spec.retry.user = static_cast<int>(random.Below(3));
  for (auto* budget :
       {&spec.retry.node, &spec.retry.fenced, &spec.retry.preempt, &spec.retry.walltime}) {
    some_have_their_own(*budget);
  }
  if (random.Chance(0.3)) spec.retry.oom = static_cast<int>(random.Below(4));
  if (random.Chance(0.3)) spec.retry.crashes = 1 + static_cast<int>(random.Below(6));
  if (random.Chance(world.rates.trial_time)) spec.trial.time_seconds = world.Between(2, 60);
  if (random.Chance(world.rates.log_rules)) {
    spec.on_log = {{"fatal", wire::LogReaction::kFail},
                   {"broken node", wire::LogReaction::kExcludeNode},
                   {"busy", wire::LogReaction::kRetry}};
  }
}

wire::SweepSpec DrawSpec(World& world, int number) {
  Random& random = world.random;
  wire::SweepSpec spec;
  spec.name = "sweep" + std::to_string(number);
  spec.seed = random.Next() >> 1;
  spec.trial.command = {"train", "{x}"};
  spec.trial.ranks =
      1 + static_cast<int>(random.Below(static_cast<std::uint64_t>(world.rates.max_ranks)));
  spec.space = {{"x", {{"float", {0.0, 1.0}}}}};
  spec.objective = {"score", random.Chance(0.5) ? "maximize" : "minimize"};
  // A gang of several nodes, now and then larger than any one of them.
  if (world.rates.nodes > 1 && random.Chance(0.3)) {
    spec.trial.nodes = static_cast<int>(random.Below(3));  // 0: any number
    // The first node stays and has the most slots, each of the others has one at least.
    const int others = spec.trial.nodes == 0 ? world.rates.nodes : spec.trial.nodes;
    const auto more = static_cast<int>(random.Below(static_cast<std::uint64_t>(others)));
    if (world.rates.vanishes == 0) spec.trial.ranks += more;
  }
  const wire::PoolSpec& pool = world.rates.batch.pool;
  if (world.rates.nodes == 0 && pool.nodes > 1 && random.Chance(0.3)) {
    spec.trial.nodes = pool.nodes;
    spec.trial.ranks = static_cast<int>(world.Between(pool.slots, pool.nodes * pool.slots));
  }
  spec.budget.trials =
      1 + static_cast<int>(random.Below(static_cast<std::uint64_t>(world.rates.max_trials)));
  spec.budget.parallel = static_cast<int>(random.Below(4));
  // By the sweep's own seed, which leaves the world's draws alone.
  spec.sampler = spec.seed % 2 == 0 ? "random" : "tpe";
  spec.priority =
      static_cast<int>(random.Below(static_cast<std::uint64_t>(world.rates.max_priority) + 1));
  if (spec.trial.ranks * 2 <= world.rates.slots && random.Chance(0.3)) spec.trial.resources.cpu = 2;
  if (random.Chance(world.rates.time_limit)) spec.budget.time_seconds = world.Between(5, 200);
  if (random.Chance(0.3))
    spec.stop = {{"asha", {{"step", "epoch"}, {"min", 1}, {"max", 9}, {"eta", 3}}}};
  // Likewise: half of those pause at their rungs, and a quarter of the others are populations.
  if (!world.rates.pauses) {
    // A trial takes one attempt unless something fails.
  } else if (!spec.stop.empty() && spec.seed / 2 % 2 == 0) {
    spec.stop["asha"].as_object()["mode"] = "promote";
  } else if (spec.stop.empty() && spec.seed / 2 % 4 == 0) {
    spec.stop = {
        {"pbt",
         {{"interval", static_cast<std::int64_t>(1 + spec.seed / 8 % 2)}, {"population", 3}}}};
  }
  if (random.Chance(0.3)) {
    spec.trial.command.clear();
    spec.trial.program = "train";
    spec.model.emplace().name = spec.name;
  }
  DrawPolicies(world, spec);
  return spec;
}

/// One history.
class Simulation {
 public:
  explicit Simulation(const Plan& plan)
      : world_(plan.seed),
        checker_(world_, stores_),
        rules_(world_, nodes_),
        pool_rules_(world_),
        network_(world_),
        host_(world_, stores_,
              {.send = [this](const NodeId& node,
                              const wire::Envelope& message) { network_.ToNode(node, message); },
               .committed = [this](const auto& events) { Committed(events); },
               .acting = [this](const coordinator::Action& action) { checker_.Acting(action); },
               .logging = [this](AttemptEpoch epoch) { checker_.Logging(epoch); },
               .crashed = [this] { network_.CoordinatorDied(); },
               .hearing = [this](const NodeId& node) { Heard(node); },
               .batch = [this](const auto& command) { return batch_->Carry(command); }}) {
    if (plan.adjust) plan.adjust(world_.rates);
    world_.trace = plan.trace;
    world_.sabotage = plan.sabotage;
    world_.coordinator_bug = plan.coordinator_bug;
    world_.agent_bug = plan.agent_bug;
    for (int index = 0; index < world_.rates.nodes; ++index) {
      const std::string name = "n" + std::to_string(index + 1);
      const Micros slots = index == 0 ? world_.rates.slots : world_.Between(1, world_.rates.slots);
      MakeNode(NodeId(name), static_cast<int>(slots), std::nullopt);
    }
    network_.Join(host_, nodes_);
    if (world_.rates.batch.on) {
      batch_.emplace(world_, host_, network_, [this](const NodeId& id, int slots, Node::Lent lent) {
        Node* node = MakeNode(id, slots, std::move(lent));
        node->BootAgent();
        return node;
      });
    }
    world_.log_over_http = [this](const wire::Prepare& prepare, std::int64_t step,
                                  const std::map<std::string, double>& metrics) {
      return host_.Log(prepare, step, metrics);
    };
  }

  Outcome Run();

 private:
  Node* MakeNode(const NodeId& id, int slots, std::optional<Node::Lent> lent);
  void Heard(const NodeId& id);
  void Committed(const std::vector<coordinator::Event>& events);
  void Submit(const wire::SweepSpec& spec, const SweepId& id);
  /// Until it was answered, whatever the answer.
  void Ask(const coordinator::Input& input, const std::function<void()>& then);
  void AskLater(Micros delay, const coordinator::Input& first, Micros pause,
                const std::optional<coordinator::Input>& second);
  void PlanPeople();
  void PlanOperators();
  void PlanPool();
  void KeepPoolForEver();
  void UncordonForEver();
  void Partition();
  void PlanFaults();
  void Repeat(Micros every, const std::function<void()>& fault);
  void Heal();
  [[nodiscard]] bool Ended();
  [[nodiscard]] std::string WhatIsLeft();
  void WithAnyNode(const std::function<void(Node&)>& act);

  World world_;
  Stores stores_;
  Checker checker_;
  Rules rules_;
  PoolRules pool_rules_;
  Network network_;
  CoordinatorHost host_;
  std::optional<Batch> batch_;
  std::vector<std::unique_ptr<Node>> nodes_;  ///< lent ones are added and stay
  std::vector<SweepId> sweeps_;
  std::size_t acknowledged_ = 0;
  int crashes_ = 0;
};

Node* Simulation::MakeNode(const NodeId& id, int slots, std::optional<Node::Lent> lent) {
  const std::size_t index = nodes_.size();
  const std::string& name = id.value;
  const Node::SendFn send = [this, index](const wire::Envelope& message) {
    const Node& node = *nodes_[index];
    rules_.Sent(node, message);
    network_.ToCoordinator(node, message);
  };
  const Node::Hooks hooks{
      .making = [this, name, lent = lent.has_value()](
                    const wire::Prepare& prepare) { checker_.Making(name, lent, prepare); },
      .starting =
          [this, index, name](const wire::Prepare& prepare) {
            checker_.Starting(name, prepare);
            rules_.Starting(*nodes_[index], prepare);
          },
      .forgetting = [this](const Gang& gang) { checker_.Forgetting(gang); }};
  nodes_.push_back(lent ? std::make_unique<Node>(world_, name, slots, send, hooks, *std::move(lent))
                        : std::make_unique<Node>(world_, name, slots, send, hooks));
  return nodes_.back().get();
}

void Simulation::Heard(const NodeId& id) {
  const Node* node = network_.Find(id);
  if (node != nullptr) rules_.Heard(*node);
}

void Simulation::WithAnyNode(const std::function<void(Node&)>& act) {
  std::vector<Node*> there;
  for (const auto& node : nodes_) {
    if (!node->lent() || !node->vanished()) there.push_back(node.get());
  }
  if (!there.empty()) act(*there[world_.random.Below(there.size())]);
}

void Simulation::Committed(const std::vector<coordinator::Event>& events) {
  checker_.Committed(events);
  rules_.Committed(events);
  pool_rules_.Committed(events);
  if (host_.up()) checker_.CheckState(host_.coordinator().state());
}

// --- people -----------------------------------------------------------------------------------------

void Simulation::Submit(const wire::SweepSpec& spec, const SweepId& id) {
  const auto answered = std::make_shared<bool>(false);
  host_.Take(coordinator::SubmitSweep{spec, id}, [this, id, answered](const auto& reply) {
    if (*answered || world_.Fault(world_.rates.loss)) return;
    if (!reply.ok()) {
      // The node that could hold the gang has not said Hello yet.
      if (!reply.error().message.starts_with("at trial.ranks"))
        world_.Violate("submit: " + reply.error().message);
      return;
    }
    *answered = true;
    checker_.Acknowledged(id);
    ++acknowledged_;
  });
  world_.scheduler.After(2 * kSecond, [this, spec, id, answered] {
    if (!*answered) Submit(spec, id);
  });
}

void Simulation::Ask(const coordinator::Input& input, const std::function<void()>& then) {
  const auto answered = std::make_shared<bool>(false);
  host_.Take(input, [answered, then](const auto&) {
    if (std::exchange(*answered, true)) return;
    if (then) then();
  });
  world_.scheduler.After(2 * kSecond, [this, input, then, answered] {
    if (!*answered) Ask(input, then);
  });
}

/// Asks for one thing after a while, and for the other a while after the first was answered.
void Simulation::AskLater(Micros delay, const coordinator::Input& first, Micros pause,
                          const std::optional<coordinator::Input>& second) {
  world_.scheduler.After(delay, [this, first, pause, second] {
    Ask(first, [this, pause, second] {
      if (second) AskLater(pause, *second, 0, std::nullopt);
    });
  });
}

void Simulation::PlanPeople() {
  using coordinator::SweepVerb;
  const Rates& rates = world_.rates;
  for (int number = 0; number < rates.sweeps; ++number) {
    const SweepId id("s" + std::to_string(number));
    sweeps_.push_back(id);
    const Micros when = world_.Between(0, rates.bad_for / 2);
    const auto some_time = [this, when] {
      return when + world_.Between(2 * kSecond, world_.rates.bad_for);
    };
    const wire::SweepSpec spec = DrawSpec(world_, number);
    world_.scheduler.After(when, [this, id, spec] { Submit(spec, id); });
    if (world_.random.Chance(rates.pause))
      AskLater(some_time(), coordinator::ChangeSweep{id, SweepVerb::kPause}, rates.bad_for,
               coordinator::ChangeSweep{id, SweepVerb::kResume});
    if (world_.random.Chance(rates.cancel))
      AskLater(some_time(), coordinator::ChangeSweep{id, SweepVerb::kCancel}, 0, std::nullopt);
    if (world_.random.Chance(rates.stop_trial)) {
      const TrialId trial(id.value + "/" +
                          std::to_string(world_.Between(0, spec.budget.trials - 1)));
      AskLater(some_time(), coordinator::StopTrial{trial}, world_.About(10 * kSecond),
               coordinator::RetryTrial{trial});
    }
  }
}

/// Nodes are taken out of work and brought back.
void Simulation::PlanOperators() {
  using coordinator::NodeVerb;
  constexpr NodeVerb kVerbs[] = {NodeVerb::kCordon, NodeVerb::kDrain, NodeVerb::kExclude};
  const Rates& rates = world_.rates;
  for (const auto& node : nodes_) {
    if (!world_.random.Chance(rates.rest_node)) continue;
    const NodeId id(node->name());
    const NodeVerb verb = kVerbs[world_.random.Below(3)];
    AskLater(world_.Between(kSecond, rates.bad_for),
             coordinator::ChangeNode{id, verb, "maintenance"}, world_.About(20 * kSecond),
             coordinator::ChangeNode{id, NodeVerb::kUncordon, ""});
  }
}

/// A pool is made, and perhaps paused, removed or made smaller for a while.
void Simulation::PlanPool() {
  const Rates::BatchRates& rates = world_.rates.batch;
  const Micros when = world_.About(5 * kSecond);
  AskLater(when, coordinator::SetPool{rates.pool}, 0, std::nullopt);
  if (!world_.random.Chance(rates.change_pool)) return;
  coordinator::Input change = coordinator::ChangePool{
      rates.pool.name,
      world_.random.Chance(0.5) ? coordinator::PoolVerb::kPause : coordinator::PoolVerb::kRemove,
      "maintenance"};
  if (world_.random.Chance(0.3)) {
    wire::PoolSpec smaller = rates.pool;
    smaller.most = smaller.backlog = 1;
    change = coordinator::SetPool{smaller};
  }
  AskLater(when + world_.Between(kSecond, world_.rates.bad_for), change, world_.About(30 * kSecond),
           coordinator::SetPool{rates.pool});
}

/// ... and when it has, at the pool.
void Simulation::KeepPoolForEver() {
  Ask(coordinator::SetPool{world_.rates.batch.pool}, {});
  world_.scheduler.After(120 * kSecond, [this] { KeepPoolForEver(); });
}

/// When the world has healed, somebody looks now and then at what muster itself took out of work.
void Simulation::UncordonForEver() {
  world_.scheduler.After(60 * kSecond, [this] {
    for (const auto& node : nodes_) {
      Ask(coordinator::ChangeNode{NodeId(node->name()), coordinator::NodeVerb::kUncordon, ""}, {});
    }
    UncordonForEver();
  });
}

// --- faults -----------------------------------------------------------------------------------------

void Simulation::Repeat(Micros every, const std::function<void()>& fault) {
  if (every == 0) return;
  world_.scheduler.After(world_.About(every), [this, every, fault] {
    if (!world_.bad) return;
    fault();
    Repeat(every, fault);
  });
}

/// Some nodes at once, the way there, the way back or both.
void Simulation::Partition() {
  const Micros how_long = world_.About(world_.rates.partition_for);
  const bool one_way = world_.random.Chance(world_.rates.one_way);
  const bool to_node = world_.random.Chance(0.5);
  WithAnyNode([&](const Node& first) {
    for (const auto& node : nodes_) {
      if (node.get() != &first && !world_.random.Chance(world_.rates.partition_more)) continue;
      if (!one_way || to_node) network_.Partition(*node, Network::Way::kToNode, how_long);
      if (!one_way || !to_node) network_.Partition(*node, Network::Way::kToCoordinator, how_long);
    }
  });
}

void Simulation::PlanFaults() {
  const Rates& rates = world_.rates;
  Repeat(rates.partition_every, [this] { Partition(); });
  const auto on_any_node = [this](Micros every, const std::function<void(Node&)>& fault) {
    Repeat(every, [this, fault] { WithAnyNode(fault); });
  };
  on_any_node(rates.process_kill_every, [](Node& node) { node.KillProcess(); });
  on_any_node(rates.agent_pause_every, [this](Node& node) {
    if (!node.agent_up()) return;
    if (world_.random.Chance(0.5))
      node.PauseInNextStep(world_.About(world_.rates.pause_for));
    else
      node.PauseAgent(world_.About(world_.rates.pause_for));
  });
  Repeat(rates.coordinator_pause_every, [this] {
    if (host_.up()) host_.Pause(world_.About(world_.rates.pause_for));
  });
  Repeat(rates.clock_jump_every,
         [this] { host_.SetClock(world_.Between(-5 * 3600, 5 * 3600) * kSecond); });
  Repeat(rates.coordinator_crash_every, [this] {
    if (!host_.up()) return;
    if (host_.idle()) checker_.CompareStates(host_.coordinator().state(), host_.Events());
    ++crashes_;
    // Half of them between the writing and the telling, where it hurts.
    if (world_.random.Chance(0.5))
      host_.CrashInNextCommit();
    else
      host_.Crash();
  });
  on_any_node(rates.agent_crash_every, [this](Node& node) {
    if (!node.agent_up()) return;
    ++crashes_;
    if (world_.random.Chance(0.5))
      node.CrashInNextStep();
    else
      node.CrashAgent();
  });
  on_any_node(rates.machine_crash_every, [this](Node& node) {
    if (node.vanished()) return;
    ++crashes_;
    node.CrashMachine();
  });
  for (std::size_t index = 1; index < nodes_.size(); ++index) {
    const Micros when = world_.Between(0, rates.bad_for - 1);
    if (!world_.random.Chance(rates.vanishes)) continue;
    world_.scheduler.After(when, [this, index] {
      ++crashes_;
      nodes_[index]->Vanish();
    });
  }
  if (batch_) {
    Repeat(rates.batch.disturb_every, [this] { batch_->Disturb(); });
    Repeat(rates.batch.machine_lost_every, [this] { batch_->LoseMachine(); });
    Repeat(rates.batch.away_every, [this] { batch_->GoAway(); });
  }
  world_.scheduler.After(rates.bad_for, [this] { Heal(); });
}

void Simulation::Heal() {
  world_.Trace([] { return std::string("the world heals"); });
  world_.bad = false;
  UncordonForEver();
  if (batch_) {
    batch_->Heal();
    KeepPoolForEver();
  }
  rules_.Healed();
}

// --- the end ----------------------------------------------------------------------------------------

bool Simulation::Ended() {
  if (world_.bad || acknowledged_ < sweeps_.size() || !host_.up() || !host_.idle()) return false;
  const coordinator::State& state = host_.coordinator().state();
  const auto is_over = [](const auto& node) {
    return node->lent() ? node->vanished() && node->LivingShims() == 0 : node->gangs().empty();
  };
  return state.open.empty() && state.live.empty() && state.pending.empty() &&
         state.allocations.empty() && (!batch_ || batch_->LiveJobs().empty()) &&
         std::ranges::all_of(nodes_, is_over);
}

std::string Simulation::WhatIsLeft() {
  std::string left = "L1: not everything has ended " +
                     std::to_string(world_.rates.heals_within / kSecond) + " s after the faults:";
  if (acknowledged_ < sweeps_.size()) left += " a submission without an answer;";
  if (!host_.up()) return left + " the coordinator is down";
  const coordinator::State& state = host_.coordinator().state();
  for (const SweepId& sweep : state.open) left += " sweep " + sweep.value + ";";
  for (const AttemptEpoch epoch : state.live)
    left += " attempt " + std::to_string(epoch.value) + " at the coordinator;";
  for (const auto& [id, allocation] : state.allocations) left += " allocation " + id.value + ";";
  if (batch_) {
    for (const cluster::Job& job : batch_->LiveJobs()) left += " job " + job.id + ";";
  }
  for (const auto& node : nodes_) {
    if (node->lent() && node->agent_up()) left += " the agent of " + node->name() + ";";
    for (const auto& [epoch, gang] : node->gangs()) {
      if (node->lent() && !gang->ShimLives()) continue;
      left += " attempt " + std::to_string(epoch.value) + " on " + node->name() + ";";
    }
  }
  return left + " " + std::to_string(state.pending.size()) + " outbox entries";
}

Outcome Simulation::Run() {
  host_.Boot();
  for (const auto& node : nodes_) node->BootAgent();
  network_.Maintain();
  PlanPeople();
  PlanOperators();
  if (batch_) {
    PlanPool();
    batch_->Run();
  }
  PlanFaults();
  Micros look = kSecond;
  bool ended = false;
  while (world_.violation.empty() && !ended && world_.scheduler.RunOne()) {
    if (world_.scheduler.now() < look) continue;
    look = world_.scheduler.now() + kSecond;
    ended = Ended();
    rules_.Look(host_.steady());
    if (batch_)
      pool_rules_.Look(batch_->LiveJobs(), Batch::HomeId(), host_.steady() && !batch_->away());
    if (world_.scheduler.now() > world_.rates.bad_for + world_.rates.heals_within && !ended)
      world_.Violate(WhatIsLeft());
  }
  Outcome outcome;
  outcome.simulated = world_.scheduler.now();
  outcome.healed_after = std::max<Micros>(0, outcome.simulated - world_.rates.bad_for);
  outcome.attempts = checker_.attempts();
  outcome.crashes = crashes_;
  if (ended) {
    const coordinator::State& state = host_.coordinator().state();
    checker_.CheckState(state);
    const auto events = host_.Events();
    checker_.CompareStates(state, events);
    checker_.CheckSearches(state, events);
    checker_.CheckEnd(state);
    for (const auto& [id, sweep] : state.sweeps) {
      ++outcome.sweeps;
      for (const auto& trial : sweep.trials) {
        ++outcome.trials;
        if (trial.phase == coordinator::TrialPhase::kComplete) ++outcome.completed;
        if (trial.phase == coordinator::TrialPhase::kPruned) ++outcome.pruned;
      }
    }
  }
  outcome.violation = world_.violation;
  return outcome;
}

}  // namespace

Outcome Simulate(const Plan& plan) {
  Outcome outcome = Simulation(plan).Run();
  outcome.seed = plan.seed;
  return outcome;
}

}  // namespace muster::sim
