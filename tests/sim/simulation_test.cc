#include "runtime/sim/simulation.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "runtime/sim/run_seeds.h"
#include "tests/sim/pinned_seeds.h"

// Seeds are plain numbers: 1 to 500 in every test run, more with MUSTER_SIM_SEEDS=N, from another place with
// MUSTER_SIM_FIRST=N. A failing one says how to see its history; MUSTER_SIM_TRACE=1 shows it here.

namespace muster::sim {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// A broken invariant aborts; the seed must be known even then.
void SayWhichSeed(int) {
  char text[64];
  const int size = std::snprintf(text, sizeof text, "aborted in the history of seed %llu\n",
                                 static_cast<unsigned long long>(CurrentSeed()));
  if (write(STDERR_FILENO, text, static_cast<std::size_t>(size)) < 0) _exit(1);
  _exit(134);
}

TEST(SimulationTest, Seeds_KeepEveryPromise) {
  std::signal(SIGABRT, SayWhichSeed);
  const Totals totals = RunSeeds({.first = FromEnvironment("MUSTER_SIM_FIRST", 1),
                                  .count = FromEnvironment("MUSTER_SIM_SEEDS", 500),
                                  .trace = std::getenv("MUSTER_SIM_TRACE") != nullptr,
                                  .jobs = static_cast<int>(FromEnvironment("MUSTER_SIM_JOBS", 0))},
                                 std::cout);
  EXPECT_TRUE(totals.ok()) << "seed " << totals.failed.seed << ": " << totals.failed.violation;
  EXPECT_GT(totals.completed, 0);
}

TEST(SimulationTest, PinnedSeeds_StayMended) {
  for (const PinnedSeed& pinned : kPinnedSeeds) {
    const Outcome outcome = Simulate({.seed = pinned.seed});
    EXPECT_EQ(outcome.violation, "") << "seed " << pinned.seed << ", once " << pinned.bug;
  }
}

TEST(SimulationTest, SameSeed_GivesTheSameHistory) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    std::size_t hashes[2] = {};
    for (std::size_t& hash : hashes) {
      Simulate({.seed = seed,
                .sabotage = Sabotage::kNone,
                .adjust = {},
                .trace = [&hash](const std::string& line) {
                  hash = hash * 31 + std::hash<std::string>()(line);
                }});
    }
    EXPECT_EQ(hashes[0], hashes[1]) << "seed " << seed;
  }
}

TEST(SimulationTest, CoordinatorCrashes_RestartNoRank) {
  // A coordinator that is killed every few seconds and back within the lease is a non-event: each trial
  // needs one attempt and completes.
  int crashes = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Outcome outcome = Simulate({.seed = seed,
                                      .sabotage = Sabotage::kNone,
                                      .adjust =
                                          [](Rates& rates) {
                                            const Rates drawn = rates;
                                            rates = {};
                                            rates.nodes = std::max(1, drawn.nodes);
                                            rates.slots = drawn.slots;
                                            rates.sweeps = drawn.sweeps;
                                            rates.max_ranks = drawn.max_ranks;
                                            rates.max_steps = drawn.max_steps;
                                            rates.max_priority = 0;  // nobody is preempted
                                            rates.coordinator_crash_every = 8 * kSecond;
                                            rates.silent_reconnect = drawn.silent_reconnect;
                                          },
                                      .trace = {}});
    ASSERT_EQ(outcome.violation, "") << "seed " << seed;
    EXPECT_EQ(outcome.attempts, outcome.completed + outcome.pruned) << "seed " << seed;
    EXPECT_EQ(outcome.trials, outcome.completed + outcome.pruned) << "seed " << seed;
    crashes += outcome.crashes;
  }
  EXPECT_GT(crashes, 100);
}

TEST(SimulationTest, SearchWithSixteenWorkers_KilledAtRandomPoints_SuggestsWhatItsJournalGives) {
  // S16, where it is hard: sixteen trials at a time, a coordinator that dies every few seconds.
  int crashes = 0, trials = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const Outcome outcome = Simulate({.seed = seed,
                                      .sabotage = Sabotage::kNone,
                                      .adjust =
                                          [](Rates& rates) {
                                            rates = {};
                                            rates.nodes = 4;
                                            rates.slots = 4;
                                            rates.max_ranks = 1;
                                            rates.max_trials = 120;
                                            rates.pauses = true;
                                            rates.coordinator_crash_every = 3 * kSecond;
                                            rates.rank_fails = 0.1;
                                          },
                                      .trace = {}});
    ASSERT_EQ(outcome.violation, "") << "seed " << seed;
    crashes += outcome.crashes;
    trials += outcome.trials;
  }
  EXPECT_GT(crashes, 50);
  EXPECT_GT(trials, 500);
}

}  // namespace
}  // namespace muster::sim
