#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "runtime/agent/mutation.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/coordinator/mutation.h"
#include "runtime/sim/rates.h"
#include "runtime/sim/sabotage.h"
#include "runtime/sim/scheduler.h"
#include "runtime/wire/messages.h"

/// What everything in one history shares.

namespace muster::sim {

/// The wall clock's time when a history begins.
inline constexpr UnixMillis kEpochStart = 1'700'000'000'000;

struct World {
  explicit World(std::uint64_t seed) : random(seed), rates(DrawRates(random)) {
    DrawBatch(Random(seed, 1), rates);  // a stream of its own leaves the other draws alone
  }

  /// Ranks of each attempt that run or are done, on whichever node: a collective waits for the others.
  std::map<AttemptEpoch, int> running_ranks;
  Scheduler scheduler;  // after what the events that it still holds look at when they go
  Random random;
  Rates rates;
  bool bad = true;  ///< faults happen
  Sabotage sabotage = Sabotage::kNone;
  coordinator::Mutation coordinator_bug = coordinator::Mutation::kNone;
  agent::Mutation agent_bug = agent::Mutation::kNone;
  /// The shared file system: folders of checkpoints by path, and the step of what each holds; 0: nothing yet.
  std::map<std::string, std::int64_t> checkpoints;

  /// What an unmodified script does through MLflow's client, with the token and run of its environment.
  enum class Logged { kStored, kFenced, kNoServer };
  std::function<Logged(const wire::Prepare&, std::int64_t step,
                       const std::map<std::string, double>& metrics)>
      log_over_http;

  /// Called with everything that happens when somebody watches; empty otherwise.
  std::function<void(const std::string&)> trace;
  /// The first broken promise ends the history.
  std::string violation;

  void Trace(const auto& make_line) {
    if (!trace) return;
    const std::string micros = std::to_string(scheduler.now() % kSecond);
    trace(std::to_string(scheduler.now() / kSecond) + "." + std::string(6 - micros.size(), '0') +
          micros + " " + make_line());
  }
  void Violate(std::string what) {
    if (violation.empty()) violation = std::move(what);
  }
  bool Fault(double chance) {
    const bool happens = random.Chance(chance);
    return bad && happens;
  }
  Micros Between(Micros low, Micros high) {
    return low + static_cast<Micros>(random.Below(static_cast<std::uint64_t>(high - low + 1)));
  }
  /// A waiting time with mean `mean`, never more than twice it.
  Micros About(Micros mean) { return Between(0, 2 * mean); }
};

}  // namespace muster::sim
