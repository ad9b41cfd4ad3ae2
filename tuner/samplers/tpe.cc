#include "tuner/samplers/tpe.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace muster::tuner {
namespace {

constexpr std::size_t kStartupTrials = 10;
constexpr int kCandidates = 128;
constexpr double kBestShare = 0.1;
constexpr std::size_t kBestMost = 25;

/// Smaller is better: completed by value, then pruned by how far they came, then the rest.
std::tuple<int, std::int64_t, double, std::int64_t> Rank(const Trial& trial) {
  if (trial.state == TrialState::kComplete) {
    return {0, 0, trial.losses[0], trial.number};
  }
  if (trial.state == TrialState::kPruned && !trial.reports.empty()) {
    const auto& [step, loss] = trial.reports.back();
    return {1, -step, loss, trial.number};
  }
  return {2, 0, 0, trial.number};
}

bool Usable(const Trial& trial) { return std::get<0>(Rank(trial)) < 2; }

}  // namespace

TpeSampler::TpeSampler(const SearchSpec& spec)
    : space_(spec.space), seed_(spec.seed), start_(spec), seen_(spec.space) {}

Result<Suggestion> TpeSampler::Suggest(std::int64_t number, const History& history) {
  std::vector<const Trial*> trials;
  std::size_t finished = 0, usable = 0;
  for (const auto& trial : history.trials()) {
    trials.push_back(&trial);
    finished += IsFinished(trial.state) ? 1 : 0;
    usable += Usable(trial) ? 1 : 0;
  }
  if (usable < kStartupTrials) return start_.Suggest(number, history);

  std::stable_sort(trials.begin(), trials.end(),
                   [&](const auto* a, const auto* b) { return Rank(*a) < Rank(*b); });
  const auto share =
      static_cast<std::size_t>(std::ceil(kBestShare * static_cast<double>(finished)));
  const auto split = static_cast<std::ptrdiff_t>(std::min({share, kBestMost, usable}));
  const auto by_number = [](const auto* a, const auto* b) { return a->number < b->number; };
  std::sort(trials.begin(), trials.begin() + split, by_number);
  std::sort(trials.begin() + split, trials.end(), by_number);
  std::vector<Point> points;
  for (const Trial* trial : trials) points.push_back(space_->Encode(trial->params));
  std::vector<const Point*> best, rest;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    (i < static_cast<std::size_t>(split) ? best : rest).push_back(&points[i]);
  }

  const ParzenEstimator good(*space_, best), bad(*space_, rest);
  Random random(seed_, static_cast<std::uint64_t>(number));
  seen_.Read(history);
  std::optional<Point> chosen;
  double chosen_score = 0;
  for (int i = 0; i < kCandidates; ++i) {
    Point candidate = good.Draw(random);
    if (seen_.Contains(candidate)) continue;
    const double score = good.LogDensity(candidate) - bad.LogDensity(candidate);
    if (!chosen || score > chosen_score) {
      chosen = std::move(candidate);
      chosen_score = score;
    }
  }
  if (!chosen) {
    auto unseen = seen_.Unseen(random);
    if (!unseen.ok() && unseen.error().kind != ErrorKind::kNotFound) return unseen.error();
    chosen = unseen.ok() ? *unseen : good.Draw(random);
  }
  return Suggestion{space_->Decode(*chosen), "tpe"};
}

std::string TpeSampler::Explain(const History& /*history*/) {
  return "tpe: the candidate that the best trials make likelier than the rest do";
}

}  // namespace muster::tuner
