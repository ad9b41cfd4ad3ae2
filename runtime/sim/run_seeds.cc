#include "runtime/sim/run_seeds.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <deque>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

namespace muster::sim {
namespace {

constexpr std::size_t kLastLines = 80;
constexpr std::chrono::seconds kProgressEvery(5);

thread_local std::uint64_t current_seed = 0;

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

/// Threads take the next seed from it until one has failed.
class Runner {
 public:
  Runner(const SeedRange& range, std::ostream& out) : range_(range), out_(out) {}

  Totals Run() {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu = std::clock();
    const int cpus = static_cast<int>(std::thread::hardware_concurrency());
    const int jobs = range_.trace ? 1 : std::max(1, range_.jobs == 0 ? cpus : range_.jobs);
    next_tell_ = start + kProgressEvery;
    {
      std::vector<std::jthread> threads;
      for (int job = 1; job < jobs; ++job) threads.emplace_back([this] { Work(); });
      Work();
    }
    totals_.cpu_seconds = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
    totals_.wall_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return totals_;
  }

 private:
  void Work() {
    while (const std::optional<std::uint64_t> seed = Take()) {
      current_seed = *seed;
      Plan plan{.seed = *seed, .sabotage = Sabotage::kNone, .adjust = {}, .trace = {}};
      if (range_.trace) plan.trace = [this](const std::string& line) { out_ << line << '\n'; };
      Add(Simulate(plan));
    }
  }

  std::optional<std::uint64_t> Take() {
    const std::lock_guard lock(mutex_);
    if (taken_ >= range_.count || !totals_.ok()) return std::nullopt;
    return range_.first + taken_++;
  }

  void Add(const Outcome& outcome) {
    const std::lock_guard lock(mutex_);
    ++totals_.seeds;
    totals_.simulated_hours += static_cast<double>(outcome.simulated) / (3600.0 * kSecond);
    totals_.slowest_heal_seconds =
        std::max(totals_.slowest_heal_seconds, static_cast<double>(outcome.healed_after) / kSecond);
    totals_.trials += outcome.trials;
    totals_.completed += outcome.completed;
    totals_.attempts += outcome.attempts;
    totals_.crashes += outcome.crashes;
    if (!outcome.ok() && (totals_.ok() || outcome.seed < totals_.failed.seed))
      totals_.failed = outcome;
    const auto now = std::chrono::steady_clock::now();
    if (range_.progress == nullptr || now < next_tell_) return;
    next_tell_ = now + kProgressEvery;
    *range_.progress << totals_.seeds << " of " << range_.count << " seeds, "
                     << totals_.simulated_hours << " simulated hours" << std::endl;
  }

  const SeedRange& range_;
  std::ostream& out_;
  std::mutex mutex_;  // guards what follows
  std::uint64_t taken_ = 0;
  Totals totals_;
  std::chrono::steady_clock::time_point next_tell_;
};

}  // namespace

std::uint64_t CurrentSeed() { return current_seed; }

Totals RunSeeds(const SeedRange& range, std::ostream& out) {
  const Totals totals = Runner(range, out).Run();
  if (!totals.ok()) Tell(totals.failed, out);
  out << totals.seeds << " seeds, " << totals.simulated_hours << " simulated hours, "
      << totals.trials << " trials (" << totals.completed << " completed), " << totals.attempts
      << " attempts, " << totals.crashes << " crashes; all ended within "
      << totals.slowest_heal_seconds << " s after the faults; "
      << static_cast<double>(totals.seeds) / totals.wall_seconds << " seeds/s, "
      << 100 * totals.cpu_seconds / static_cast<double>(totals.seeds)
      << " s of CPU a hundred seeds, " << totals.simulated_hours * 3600 / totals.wall_seconds
      << " times real time\n";
  return totals;
}

}  // namespace muster::sim
