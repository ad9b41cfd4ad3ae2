#include "tuner/samplers/tpe_split.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tuner/insight/hypervolume.h"
#include "tuner/insight/pareto.h"

namespace muster::tuner {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Rank {
  enum Class { kComparable, kPruned, kInfeasible };
  Class kind = kComparable;
  double first = 0, second = 0;  ///< smaller is better
  std::size_t trial = 0;
  auto operator<=>(const Rank&) const = default;
};

/// The loss of the first report at a rung or beyond it.
std::optional<double> LossAt(const Trial& trial, std::int64_t rung) {
  const auto report = std::ranges::lower_bound(trial.reports, rung, {}, &Report::step);
  if (report == trial.reports.end()) return std::nullopt;
  return report->loss;
}

/// The largest rung with enough results; none when final losses are enough, or no rung is.
std::optional<std::int64_t> RungOf(const History& history, const SplitRule& rule) {
  if (rule.rungs.empty() || history.goals().size() > 1) return std::nullopt;
  std::size_t complete = 0;
  std::vector<std::size_t> reached(rule.rungs.size(), 0);
  for (const Trial& trial : history.trials()) {
    complete += trial.state == TrialState::kComplete ? 1 : 0;
    if (trial.state == TrialState::kLost || trial.reports.empty()) continue;
    const auto beyond = std::ranges::upper_bound(rule.rungs, trial.reports.back().step);
    if (beyond != rule.rungs.begin())
      ++reached[static_cast<std::size_t>(beyond - rule.rungs.begin() - 1)];
  }
  if (complete >= rule.enough) return std::nullopt;
  std::size_t results = 0;
  for (std::size_t i = rule.rungs.size(); i-- > 0;) {
    results += reached[i];
    if (results >= rule.enough) return rule.rungs[i];
  }
  return std::nullopt;
}

bool ReachedRung(const Trial& trial, const SplitRule& rule) {
  return !rule.rungs.empty() && !trial.reports.empty() &&
         trial.reports.back().step >= rule.rungs[0];
}

/// How far a trial that is not complete came, to the largest rung (or, before the first, to its last report), and
/// its loss there: Optuna's order of pruned ones, and between rungs as at the rung.
Rank PartialRank(const Trial& trial, std::size_t index, const SplitRule& rule) {
  if (trial.reports.empty()) return {Rank::kPruned, 1, 0, index};
  const auto& [step, loss] = trial.reports.back();
  if (!ReachedRung(trial, rule)) return {Rank::kPruned, -static_cast<double>(step), loss, index};
  const std::int64_t rung = *(std::ranges::upper_bound(rule.rungs, step) - 1);
  return {Rank::kPruned, -static_cast<double>(rung), *LossAt(trial, rung), index};
}

std::optional<Rank> RankOf(const Trial& trial, std::size_t index, const SplitRule& rule,
                           std::optional<std::int64_t> rung) {
  if (trial.state == TrialState::kLost || trial.state == TrialState::kFailed) return std::nullopt;
  if (trial.losses.size() > 1 && trial.broke()) return Rank{Rank::kInfeasible, kInfinity, 0, index};
  if (IsFinished(trial.state)) {
    if (const double violation = trial.violation(); violation > 0) {
      return Rank{Rank::kInfeasible, violation, 0, index};
    }
  }
  if (rung) {
    if (const auto loss = LossAt(trial, *rung)) return Rank{Rank::kComparable, *loss, 0, index};
  }
  if (trial.state == TrialState::kComplete)
    return Rank{Rank::kComparable, trial.losses[0], 0, index};
  if (trial.state != TrialState::kPruned && !ReachedRung(trial, rule)) return std::nullopt;
  return PartialRank(trial, index, rule);
}

/// What tells the members of one front apart: more is better.
std::vector<double> Worths(const std::vector<Losses>& front) {
  if (front[0].size() > 3) return CrowdingDistances(front);
  Losses reference(front[0].size());
  for (std::size_t i = 0; i < reference.size(); ++i) {
    double worst = front[0][i];
    for (const Losses& losses : front) worst = std::max(worst, losses[i]);
    reference[i] = std::max(1.1 * worst, 0.9 * worst);
    if (reference[i] == 0) reference[i] = 1e-12;
  }
  return HypervolumeContributions(front, reference);
}

/// Gives the comparable ones their front as `first`, and those of the front that is cut after `below` their
/// worth as `second`.
void RankFronts(const std::vector<Trial>& trials, std::vector<Rank>& ranks, std::size_t below) {
  std::vector<Losses> losses;
  std::vector<Rank*> owners;
  for (Rank& rank : ranks) {
    if (rank.kind != Rank::kComparable) continue;
    owners.push_back(&rank);
    losses.push_back(trials[rank.trial].losses);
    for (double& loss : losses.back()) loss = std::clamp(loss, -1e150, 1e150);
  }
  const auto fronts = NonDominatedRanks(losses);
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    owners[i]->first = static_cast<double>(fronts[i]);
    sizes.resize(std::max(sizes.size(), fronts[i] + 1));
    ++sizes[fronts[i]];
  }
  std::size_t cut = 0;
  for (std::size_t taken = 0; cut < sizes.size() && taken + sizes[cut] <= below; ++cut) {
    taken += sizes[cut];
  }
  std::vector<Losses> front;
  std::vector<Rank*> members;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (fronts[i] != cut) continue;
    front.push_back(losses[i]);
    members.push_back(owners[i]);
  }
  if (front.empty()) return;
  const auto worths = Worths(front);
  for (std::size_t i = 0; i < members.size(); ++i) members[i]->second = -worths[i];
}

}  // namespace

TpeSplit SplitTrials(const History& history, const SplitRule& rule, std::size_t wanted) {
  TpeSplit split{.rung = RungOf(history, rule)};
  std::size_t unfinished = 0;  // that teach by their rungs
  const auto& trials = history.trials();
  std::vector<Rank> ranks;
  ranks.reserve(trials.size());
  for (std::size_t i = 0; i < trials.size(); ++i) {
    split.broken += trials[i].broke() ? 1 : 0;
    split.finished += IsFinished(trials[i].state) && trials[i].state != TrialState::kLost ? 1 : 0;
    if (const auto rank = RankOf(trials[i], i, rule, split.rung)) {
      ranks.push_back(*rank);
      unfinished += IsFinished(trials[i].state) ? 0 : 1;
    }
  }
  split.usable = ranks.size();
  const auto share = static_cast<std::size_t>(
      std::ceil(rule.share * static_cast<double>(split.finished + unfinished)));
  split.below = std::min({share, rule.most, split.usable});
  const bool single = history.goals().size() == 1;
  if (!single) RankFronts(trials, ranks, split.below);
  const std::size_t kept = std::min(std::max(wanted, split.below), ranks.size());
  std::ranges::nth_element(ranks, ranks.begin() + static_cast<std::ptrdiff_t>(kept));
  ranks.resize(kept);
  std::ranges::sort(ranks);
  for (const Rank& rank : ranks) {
    split.ranked.push_back(rank.trial);
    if (single && rank.kind == Rank::kComparable && rank.first < kInfinity)
      split.losses.push_back(rank.first);
  }
  return split;
}

}  // namespace muster::tuner
