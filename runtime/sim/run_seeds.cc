#include "runtime/sim/run_seeds.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <ostream>
#include <string>

namespace muster::sim {
namespace {

constexpr std::size_t kLastLines = 80;

std::atomic<std::uint64_t> current_seed{0};

void Tell(const Outcome& failed, std::ostream& out) {
  std::deque<std::string> lines;
  Simulate({.seed = failed.seed,
            .sabotage = Sabotage::kNone,
            .adjust = {},
            .trace = [&](const std::string& line) {
              lines.push_back(line);
              if (lines.size() > kLastLines) lines.pop_front();
            }});
  for (const std::string& line : lines) out << line << '\n';
  out << "seed " << failed.seed << ": " << failed.violation << "\nsee all of it: muster sim --seed "
      << failed.seed << " --trace\n";
}

}  // namespace

std::uint64_t CurrentSeed() { return current_seed; }

Totals RunSeeds(const SeedRange& range, std::ostream& out) {
  Totals totals;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t seed = range.first; seed < range.first + range.count; ++seed) {
    current_seed = seed;
    Plan plan{.seed = seed, .sabotage = Sabotage::kNone, .adjust = {}, .trace = {}};
    if (range.trace) plan.trace = [&out](const std::string& line) { out << line << '\n'; };
    const Outcome outcome = Simulate(plan);
    ++totals.seeds;
    totals.simulated_hours += static_cast<double>(outcome.simulated) / (3600.0 * kSecond);
    totals.slowest_heal_seconds =
        std::max(totals.slowest_heal_seconds, static_cast<double>(outcome.healed_after) / kSecond);
    totals.trials += outcome.trials;
    totals.completed += outcome.completed;
    totals.attempts += outcome.attempts;
    totals.crashes += outcome.crashes;
    if (!outcome.ok()) {
      totals.failed = outcome;
      Tell(outcome, out);
      break;
    }
  }
  totals.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  out << totals.seeds << " seeds, " << totals.simulated_hours << " simulated hours, "
      << totals.trials << " trials (" << totals.completed << " completed), " << totals.attempts
      << " attempts, " << totals.crashes << " crashes; all ended within "
      << totals.slowest_heal_seconds << " s after the faults; "
      << static_cast<double>(totals.seeds) / totals.wall_seconds << " seeds/s, "
      << totals.simulated_hours * 3600 / totals.wall_seconds << " times real time\n";
  return totals;
}

}  // namespace muster::sim
