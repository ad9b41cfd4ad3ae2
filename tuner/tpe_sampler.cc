#include "tuner/tpe_sampler.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "tuner/order.h"
#include "tuner/random_sampler.h"

namespace muster::tuner {
namespace {

constexpr std::size_t kStartupTrials = 10;
constexpr int kCandidates = 128;
constexpr double kBestShare = 0.1;
constexpr std::size_t kBestMost = 25;

/// Smaller is better: completed by value, then pruned by how far they came, then the rest.
std::tuple<int, std::int64_t, double, std::int64_t> Rank(const TrialHistory& trial, bool maximize) {
  if (trial.state == TrialState::kComplete && trial.value) {
    return {0, 0, Loss(*trial.value, maximize), trial.number};
  }
  if (trial.state == TrialState::kPruned && !trial.reports.empty()) {
    const auto& [step, value] = trial.reports.back();
    return {1, -step, Loss(value, maximize), trial.number};
  }
  return {2, 0, 0, trial.number};
}

bool Usable(const TrialHistory& trial) { return std::get<0>(Rank(trial, false)) < 2; }

}  // namespace

TpeSampler::TpeSampler(std::shared_ptr<const Space> space, std::uint64_t seed)
    : space_(std::move(space)), seed_(seed) {}

Result<Params> TpeSampler::Suggest(std::int64_t number, const History& history) {
  std::vector<const TrialHistory*> trials;
  std::size_t finished = 0, usable = 0;
  for (const auto& trial : history.trials) {
    trials.push_back(&trial);
    finished += trial.state == TrialState::kRunning ? 0 : 1;
    usable += Usable(trial) ? 1 : 0;
  }
  if (usable < kStartupTrials) return RandomSampler(space_, seed_).Suggest(number, history);

  std::stable_sort(trials.begin(), trials.end(), [&](const auto* a, const auto* b) {
    return Rank(*a, history.maximize) < Rank(*b, history.maximize);
  });
  const auto share =
      static_cast<std::size_t>(std::ceil(kBestShare * static_cast<double>(finished)));
  const auto split = static_cast<std::ptrdiff_t>(std::min({share, kBestMost, usable}));
  const auto by_number = [](const auto* a, const auto* b) { return a->number < b->number; };
  std::sort(trials.begin(), trials.begin() + split, by_number);
  std::sort(trials.begin() + split, trials.end(), by_number);
  std::vector<const Params*> best, rest;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    (i < static_cast<std::size_t>(split) ? best : rest).push_back(&trials[i]->params);
  }

  const ParzenEstimator good(*space_, best), bad(*space_, rest);
  Random random(seed_, static_cast<std::uint64_t>(number));
  const SeenPoints seen(*space_, history);
  std::optional<Params> chosen;
  double chosen_score = 0;
  for (int i = 0; i < kCandidates; ++i) {
    Params candidate = good.Draw(random);
    if (seen.Contains(candidate)) continue;
    const double score = good.LogDensity(candidate) - bad.LogDensity(candidate);
    if (!chosen || score > chosen_score) {
      chosen = std::move(candidate);
      chosen_score = score;
    }
  }
  if (chosen) return *chosen;
  auto unseen = seen.Unseen(*space_, random);
  if (!unseen.ok() && unseen.error().kind == ErrorKind::kNotFound) return good.Draw(random);
  return unseen;
}

}  // namespace muster::tuner
