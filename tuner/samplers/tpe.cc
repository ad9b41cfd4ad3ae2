#include "tuner/samplers/tpe.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "runtime/base/math.h"
#include "tuner/samplers/quadratic.h"
#include "tuner/scheduler.h"

namespace muster::tuner {
namespace {

constexpr std::size_t kStartupTrials = 10;
/// Drawn from l: each is compared with all kernels of g, so fewer beside many.
constexpr std::size_t kMostCandidates = 128, kLeastCandidates = 32, kComparisons = 400'000;
constexpr std::size_t kMostBelow = 100;  ///< with several objectives
/// A rung is compared once it has this many results for each of d + 1. BOHB's 1 would make all of them the best:
/// the rung's first ones, which met nobody, would rank before all that stopped below.
constexpr std::size_t kResultsPerParameter = 4;
constexpr std::size_t kTogether = 4;     ///< candidates that g is computed of at a time
constexpr std::size_t kFirstBlocks = 2;  ///< of kernels, that all candidates are compared by
constexpr double kScoreRounding = 1e-12;
constexpr double kGamma = 0.1;
/// Of the quadratic's minimum, in spreads of the points that it was fitted to.
constexpr double kRadius = 1;
/// A minimum this near to a point that was tried teaches nothing: it is moved by about kMove. In spreads.
constexpr double kSame = 1e-3, kMove = 0.3;

/// log(gamma + (1 - gamma) exp(x)), which does not overflow.
double LogMixed(double x) {
  if (x <= 0) return math::Log(kGamma + (1 - kGamma) * math::Exp(x));
  return x + math::Log(kGamma * math::Exp(-x) + (1 - kGamma));
}

/// Its inverse; -inf below log gamma.
double Unmixed(double y) {
  if (y > 700) return y - math::Log(1 - kGamma);
  return math::Log(std::max(math::Exp(y) - kGamma, 0.0) / (1 - kGamma));
}

}  // namespace

TpeSampler::TpeSampler(const SearchSpec& spec)
    : space_(spec.space),
      seed_(spec.seed),
      start_(spec),
      seen_(spec.space),
      above_(*space_),
      feasibility_(spec.space) {
  const auto scheduler = MakeScheduler(spec);
  if (scheduler.ok()) rule_.rungs = (*scheduler)->rungs();
  rule_.enough = kResultsPerParameter * (space_->size() + 1);
  if (spec.goals.size() > 1) rule_.most = kMostBelow;
}

Result<Suggestion> TpeSampler::Suggest(std::int64_t number, const History& history) {
  auto split = SplitTrials(history, rule_, 2 * Quadratic::PointsOf(space_->size()));
  if (split.usable < kStartupTrials) {
    auto start = start_.Suggest(number, history);
    if (start.ok()) start->by = "tpe: start";
    return start;
  }
  Read(history, split);
  Random random(seed_, static_cast<std::uint64_t>(number));
  if (number % 2 == 1) {
    if (auto point = ProposeQuadratic(split, random)) {
      return Suggestion{space_->Decode(*point), "tpe: quadratic"};
    }
  }
  Model model = Fit(history, std::move(split));
  auto point = ProposeDensity(model, random);
  if (!point) {
    auto unseen = seen_.Unseen(random);
    if (!unseen.ok() && unseen.error().kind != ErrorKind::kNotFound) return unseen.error();
    point = unseen.ok() ? *unseen : model.below.Draw(random);
  }
  return Suggestion{space_->Decode(*point), "tpe"};
}

void TpeSampler::Read(const History& history, const TpeSplit& split) {
  const auto& trials = history.trials();
  for (std::size_t i = points_.size(); i < trials.size(); ++i) {
    points_.push_back(space_->Encode(trials[i].params));
    above_.Add(points_[i], trials[i].weight);
  }
  seen_.Read(history);
  feasibility_ = Feasibility(space_);
  if (split.broken > 0) feasibility_.Fit(history, points_);
}

TpeSampler::Model TpeSampler::Fit(const History& history, TpeSplit split) {
  const auto& trials = history.trials();
  Model model{std::move(split), ParzenEstimator(*space_, history.goals().size() == 1)};
  std::vector<std::size_t> below(
      model.split.ranked.begin(),
      model.split.ranked.begin() + static_cast<std::ptrdiff_t>(model.split.below));
  std::ranges::sort(below);
  for (std::size_t i = 0, next = 0; i < trials.size(); ++i) {
    const bool best = next < below.size() && below[next] == i;
    above_.Count(i, !best && trials[i].state != TrialState::kLost);
    if (!best) continue;
    model.below.Add(points_[i], trials[i].weight);
    ++next;
  }
  model.below.Fit();
  above_.Fit();
  return model;
}

std::optional<Point> TpeSampler::ProposeDensity(Model& model, Random& random) {
  struct Candidate {
    Point point;
    double l = 0, ok = 0;    ///< logarithms
    ParzenEstimator::Sum g;  ///< as much of it as is needed
    double bound = 0;        ///< its score is at most this
    [[nodiscard]] double Score() const { return ok - LogMixed(g.log - l); }
  };
  const std::size_t draws = std::clamp(kComparisons / std::max<std::size_t>(above_.size(), 1),
                                       kLeastCandidates, kMostCandidates);
  std::vector<Candidate> candidates;
  candidates.reserve(draws);
  for (std::size_t i = 0; i < draws; ++i) {
    Point point = model.below.Draw(random);
    if (seen_.Contains(point)) continue;
    const double l = model.below.LogDensity(point), ok = feasibility_.LogOk(point);
    auto g = above_.Begin(point);
    candidates.push_back({std::move(point), l, ok, std::move(g)});
  }
  // With the prior and the newest kernels, which are where the search is, the best candidates show; and beside
  // those the others need no more.
  std::vector<ParzenEstimator::Sum*> sums;
  sums.reserve(candidates.size());
  for (Candidate& candidate : candidates) sums.push_back(&candidate.g);
  above_.Extend(sums, kFirstBlocks);
  std::vector<Candidate*> order;
  order.reserve(candidates.size());
  for (Candidate& candidate : candidates) {
    candidate.bound = candidate.Score();
    order.push_back(&candidate);
  }
  std::ranges::sort(order, std::ranges::greater{}, &Candidate::bound);
  const Candidate* chosen = nullptr;
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t from = 0; from < order.size(); from += kTogether) {
    if (order[from]->bound < best - kScoreRounding) break;
    const auto some = std::span(order).subspan(from, std::min(kTogether, order.size() - from));
    sums.clear();
    for (Candidate* candidate : some) {
      // With more than that it is not the best one, whatever else g has there.
      candidate->g.most = candidate->l + Unmixed(candidate->ok - best + kScoreRounding);
      sums.push_back(&candidate->g);
    }
    above_.Extend(sums, sums[0]->left);
    for (const Candidate* candidate : some) {
      const double score = candidate->Score();
      const bool better = score > best || (score == best && candidate < chosen);  // the first drawn
      if (chosen != nullptr && !better) continue;
      chosen = candidate;
      best = score;
    }
  }
  if (chosen == nullptr) return std::nullopt;
  return chosen->point;
}

std::optional<Point> TpeSampler::ProposeQuadratic(const TpeSplit& split, Random& random) const {
  if (split.losses.empty()) return std::nullopt;
  const Point& best = points_[split.ranked[0]];
  std::vector<std::size_t> numbers;  // the best point's active numeric parameters
  for (std::size_t d = 0; d < space_->size(); ++d) {
    if (space_->scales()[d].choices == 0 && !std::isnan(best[d])) numbers.push_back(d);
  }
  if (numbers.empty()) return std::nullopt;
  const auto alike =
      [&](const Point& point) {  // the same choices, and so the same active parameters
        for (std::size_t d = 0; d < space_->size(); ++d) {
          const bool choice = space_->scales()[d].choices > 0;
          if (std::isnan(point[d]) != std::isnan(best[d]) || (choice && point[d] < best[d]) ||
              (choice && point[d] > best[d])) {
            return false;
          }
        }
        return true;
      };
  const auto unit = [&](const Point& point) {
    std::vector<double> x;
    x.reserve(numbers.size());
    for (const std::size_t d : numbers) x.push_back(space_->ToUnit(d, point[d]));
    return x;
  };
  std::vector<std::vector<double>> points;
  std::vector<double> losses;
  for (std::size_t i = 0;
       i < split.losses.size() && points.size() < Quadratic::PointsOf(numbers.size()); ++i) {
    const Point& point = points_[split.ranked[i]];
    if (!alike(point)) continue;
    points.push_back(unit(point));
    losses.push_back(split.losses[i]);
  }
  const auto model = Quadratic::Fit(points, losses);
  if (!model) return std::nullopt;
  auto target = model->Minimum(kRadius);
  const auto same = [&](const Point& point) {
    for (std::size_t k = 0; k < numbers.size(); ++k) {
      const double apart = std::abs(space_->ToUnit(numbers[k], point[numbers[k]]) - target[k]);
      if (!(apart <= kSame * model->spread()[k])) return false;
    }
    return true;
  };
  if (std::ranges::any_of(points_, same)) {
    for (std::size_t k = 0; k < numbers.size(); ++k) {
      const double moved = target[k] + kMove * model->spread()[k] * random.Normal();
      target[k] = std::clamp(moved, 0.0, 1.0);
    }
  }
  double share = 1;  // of the way to the target
  for (int attempt = 0; attempt < 4; ++attempt, share /= 2) {
    Point point = best;
    for (std::size_t k = 0; k < numbers.size(); ++k) {
      point[numbers[k]] =
          space_->FromUnit(numbers[k], points[0][k] + share * (target[k] - points[0][k]));
    }
    point = space_->Snap(std::move(point));
    if (feasibility_.LogOk(point) > -M_LN2 && !seen_.Contains(point)) return point;
  }
  return std::nullopt;
}

std::string TpeSampler::Explain(const History& history) {
  const auto split = SplitTrials(history, rule_, 0);
  if (split.usable < kStartupTrials) {
    return "tpe: draws at random until " + std::to_string(kStartupTrials) +
           " trials have taught something; " + std::to_string(split.usable) + " have";
  }
  std::string text =
      "tpe: in turns the minimum of a quadratic model of the best trials, and the likeliest "
      "to improve by the densities of the best " +
      std::to_string(split.below) + " trials and of the others";
  if (split.rung) text += "; losses are compared at step " + std::to_string(*split.rung);
  if (split.broken > 0) {
    text += "; " + std::to_string(split.broken) +
            " failed trials teach the probability that a configuration works";
  }
  return text;
}

}  // namespace muster::tuner
