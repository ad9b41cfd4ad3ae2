#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "runtime/agent/mutation.h"
#include "runtime/coordinator/mutation.h"
#include "runtime/sim/rates.h"
#include "runtime/sim/sabotage.h"
#include "runtime/sim/scheduler.h"

/// A whole cluster from one number: a real coordinator and real agents over a simulated network, disk and
/// process table. First the world is bad (crashes, losses, partitions, failing ranks; `rates.h`), then it
/// heals and everything must come to its end. Checkers (`checker.h`) watch every commit and every start.

namespace muster::sim {

struct Plan {
  std::uint64_t seed = 1;
  Sabotage sabotage = Sabotage::kNone;
  /// Changes what the seed drew before anything happens; may be empty.
  std::function<void(Rates&)> adjust;
  /// Called with one line for everything that happens; slow.
  std::function<void(const std::string& line)> trace;
  /// Bugs in the machines themselves.
  coordinator::Mutation coordinator_bug = coordinator::Mutation::kNone;
  agent::Mutation agent_bug = agent::Mutation::kNone;
};

struct Outcome {
  std::uint64_t seed = 0;
  std::string violation;  ///< the first broken promise, empty: none
  Micros simulated = 0;
  Micros healed_after = 0;  ///< from the end of the faults to the end of everything
  int sweeps = 0, trials = 0, completed = 0, pruned = 0, attempts = 0;
  int crashes = 0;  ///< of coordinator, agents and machines

  [[nodiscard]] bool ok() const { return violation.empty(); }
};

/// Plays the history of one seed. The same plan gives the same history on every machine.
Outcome Simulate(const Plan& plan);

}  // namespace muster::sim
