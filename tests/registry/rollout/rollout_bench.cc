// rollout_bench RUNS REQUESTS: canaries of seeded traffic, looked at after every request. Prints, as one JSON object, how often
// a challenger that is as good as the champion is rolled back, by a rollout and by the threshold alarm that others have
// (the rate of errors of the last 100 answers above a bound), and the outcomes until a loss of two points is found, in
// parts of what a test at a fixed number wants. scripts/bench/serving/canary runs it.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>

#include "registry/rollout/rollout.h"
#include "runtime/base/random.h"

namespace muster::registry {
namespace {

using std::chrono::milliseconds;

struct Rates {
  double answers = 1, right = 1;
};

struct End {
  bool back = false, alarm = false;
  std::int64_t labels = 0;  ///< of both arms
};

/// Above so many failures among the last kAlarmWindow answers of the challenger an alarm would have gone off: three
/// deviations over the champion's rate, a usual choice.
constexpr std::size_t kAlarmWindow = 100;

End Roll(const RolloutSpec& spec, const Rates& champion, const Rates& challenger,
         std::int64_t requests, std::uint64_t seed) {
  Random random(seed);
  MonotonicTime now{};
  Rollout rollout(spec, std::to_string(seed), now);
  const double rate = 1 - champion.answers;
  const double bound = rate + 3 * std::sqrt(rate * (1 - rate) / kAlarmWindow);
  std::deque<bool> failures;
  double failed = 0;
  End end;
  for (std::int64_t i = 0; i < requests && rollout.state() == Rollout::State::kRunning; ++i) {
    now += milliseconds(10);
    const Arm arm = rollout.Choose(std::to_string(i));
    const Rates& model = arm == Arm::kChampion ? champion : challenger;
    const bool answered = random.Chance(model.answers);
    rollout.Answered(arm, answered, 1);
    if (answered) {
      rollout.Labelled(arm, random.Chance(model.right));
      ++end.labels;
    }
    if (arm == Arm::kChallenger) {
      failures.push_back(!answered);
      failed += answered ? 0 : 1;
      if (failures.size() > kAlarmWindow) {
        failed -= failures.front() ? 1 : 0;
        failures.pop_front();
      }
      const bool full = failures.size() == kAlarmWindow;
      end.alarm = end.alarm || (full && failed / kAlarmWindow > bound);
    }
    rollout.Look(now);
  }
  end.back = rollout.state() == Rollout::State::kRolledBack;
  return end;
}

}  // namespace
}  // namespace muster::registry

int main(int argc, char** argv) {
  using namespace muster::registry;
  if (argc != 3) {
    std::fprintf(stderr, "usage: rollout_bench RUNS REQUESTS\n");
    return 2;
  }
  const auto runs = std::strtoull(argv[1], nullptr, 10);
  const auto requests = std::strtoll(argv[2], nullptr, 10);
  // One step that never ends, so that every run is looked at to its end.
  const RolloutSpec half{.steps = {0.5}};
  std::uint64_t back = 0, alarms = 0, found = 0;
  double labels = 0;
  for (std::uint64_t run = 0; run < runs; ++run) {
    const End same =
        Roll(half, {.answers = 0.99, .right = 0.9}, {.answers = 0.99, .right = 0.9}, requests, run);
    back += same.back ? 1 : 0;
    alarms += same.alarm ? 1 : 0;
  }
  const std::uint64_t worse_runs = runs / 10 + 1;
  for (std::uint64_t run = 0; run < worse_runs; ++run) {
    const End worse = Roll(half, {.right = 0.9}, {.right = 0.88}, 1'000'000, runs + run);
    found += worse.back ? 1 : 0;
    labels += static_cast<double>(worse.labels);
  }
  // Two proportions, one-sided 5 %, power 90 %, both arms.
  const double fixed = 2 * std::pow((1.6449 + 1.2816) / 0.02, 2) * (0.9 * 0.1 + 0.88 * 0.12);
  std::printf(
      "{\"runs\": %llu, \"requests\": %lld, \"false_rollback\": %.4f, \"threshold_alarm\": %.4f, "
      "\"worse_runs\": %llu, \"found\": %.4f, \"labels_mean\": %.0f, \"fixed_test\": %.0f, "
      "\"ratio\": %.3f}\n",
      static_cast<unsigned long long>(runs), static_cast<long long>(requests),
      static_cast<double>(back) / static_cast<double>(runs),
      static_cast<double>(alarms) / static_cast<double>(runs),
      static_cast<unsigned long long>(worse_runs),
      static_cast<double>(found) / static_cast<double>(worse_runs),
      labels / static_cast<double>(worse_runs), fixed,
      labels / static_cast<double>(worse_runs) / fixed);
  return 0;
}
