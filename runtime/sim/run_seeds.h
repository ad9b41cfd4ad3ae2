#pragma once

#include <cstdint>
#include <iosfwd>

#include "runtime/sim/simulation.h"

/// Many histories and what they add up to: the body of `muster sim` and of the test.

namespace muster::sim {

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t count = 1;
  bool trace = false;  ///< print everything that happens, one seed after the other
  int jobs = 1;        ///< threads; 0: one a CPU
  /// Where a line every few seconds says how far it is; may be null.
  std::ostream* progress = nullptr;
};

struct Totals {
  std::uint64_t seeds = 0;
  double simulated_hours = 0;
  double wall_seconds = 0, cpu_seconds = 0;
  std::int64_t trials = 0, completed = 0, attempts = 0, crashes = 0;
  double slowest_heal_seconds = 0;  ///< from the end of the faults to the end of everything
  Outcome failed;  ///< the lowest seed that was seen to break a promise, `ok()` when none did

  [[nodiscard]] bool ok() const { return failed.ok(); }
};

/// Plays the seeds until one breaks a promise (seeds that other threads are at are played to their end);
/// then writes it, its last events and how to see all of them to `out`. At the end writes one line of totals.
Totals RunSeeds(const SeedRange& range, std::ostream& out);

/// The seed that this thread plays, for a handler of SIGABRT: a broken invariant of ours aborts.
std::uint64_t CurrentSeed();

}  // namespace muster::sim
