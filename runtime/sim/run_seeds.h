#pragma once

#include <cstdint>
#include <iosfwd>

#include "runtime/sim/simulation.h"

/// Many histories and what they add up to: the body of `muster sim` and of the test.

namespace muster::sim {

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t count = 1;
  bool trace = false;  ///< print everything that happens
};

struct Totals {
  std::uint64_t seeds = 0;
  double simulated_hours = 0;
  double wall_seconds = 0;
  std::int64_t trials = 0, completed = 0, attempts = 0, crashes = 0;
  double slowest_heal_seconds = 0;  ///< from the end of the faults to the end of everything
  Outcome failed;                   ///< the first that broke a promise, `ok()` when none did

  [[nodiscard]] bool ok() const { return failed.ok(); }
};

/// Plays the seeds until one breaks a promise; then writes it, its last events and how to see all of them
/// to `out`. At the end writes one line of totals.
Totals RunSeeds(const SeedRange& range, std::ostream& out);

/// The seed that is being played, for a handler of SIGABRT: a broken invariant of ours aborts.
std::uint64_t CurrentSeed();

}  // namespace muster::sim
