#include "tuner/samplers/cmaes.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/math.h"
#include "tuner/samplers/sobol.h"

namespace muster::tuner {
namespace {

/// Streams of random numbers; beside trial numbers.
constexpr std::uint64_t kDraws = 0xc3a2ULL << 44;
constexpr std::uint64_t kRestarts = 0xc3a3ULL << 44;

constexpr double kFirstSigma = 0.12, kRestartSigma = 0.2, kLeastSigma = 0.01;
constexpr std::size_t kMostBest = 20;
/// Smooth objectives end a descent within some ten trials: without a bound lambda would soon be beyond reason.
constexpr std::size_t kMostGrowth = 16;
constexpr int kRedraws = 20;

Point Ordered(Point point) {
  for (double& x : point) x = std::isnan(x) ? -1 : x;
  return point;
}

std::vector<Vector> Uniform(const CmaSpace& space) {
  std::vector<Vector> probabilities;
  for (std::size_t c = 0; c < space.choices(); ++c) {
    const std::size_t values = space.Values(c);
    probabilities.emplace_back(values, 1 / static_cast<double>(values));
  }
  return probabilities;
}

}  // namespace

Status CmaesSampler::Check(const SearchSpec& spec) {
  if (spec.goals.size() > 1) {
    return Invalid("cmaes searches for one objective; use sampler nsga2 or tpe for several");
  }
  if (CmaSpace(spec.space).numbers() == 0) {
    return Invalid("cmaes needs a float or an int with more than one value; use sampler tpe");
  }
  return Ok();
}

CmaesSampler::CmaesSampler(const SearchSpec& spec)
    : space_(spec.space), coordinates_(spec.space), seed_(spec.seed), seen_(spec.space) {
  const std::size_t n = coordinates_.numbers();
  const auto parallel = static_cast<std::size_t>(std::max<std::int64_t>(spec.parallel, 0));
  // With the quadratic beside it a smaller population does (measured on BBOB in 5 dimensions: 6 beside 8).
  lambda_ = DefaultLambda(n);
  if (coordinates_.choices() == 0) lambda_ = std::max<std::size_t>(4, lambda_ - 2);
  start_points_ = std::max(n + 3, std::min(parallel, 2 * n + 6));
}

void CmaesSampler::Forget() {
  descents_ = used_ = large_lambda_ = large_told_ = small_told_ = 0;
  small_ = false;
  tried_.clear();
  descent_.reset();
  archive_.clear();
  best_.clear();
}

void CmaesSampler::Read(const History& history) {
  reader_.Read(
      history, [&] { Forget(); }, [&](const Trial& trial) { ReadStart(trial); },
      [&](const Trial& trial) { ReadFinish(trial); });
  seen_.Read(history);
}

void CmaesSampler::ReadStart(const Trial& trial) {
  const Point point = space_->Encode(trial.params);
  if (!descent_ && CanBegin()) {
    // It has begun when the first thing that it would propose was taken.
    CmaDescent descent = Begin();
    const auto* first = descent.Next([&](const Point& p) { return !Tried(p); });
    if (first != nullptr && SamePoint(first->place.point, point)) descent_ = std::move(descent);
  }
  if (descent_) descent_->Take(point);
  tried_.insert(Ordered(point));
}

void CmaesSampler::ReadFinish(const Trial& trial) {
  if (trial.state == TrialState::kLost) return;
  archive_.push_back({coordinates_.At(space_->Encode(trial.params)), RankOf(trial)});
  const auto place = std::ranges::upper_bound(best_, archive_.back().rank, {},
                                              [&](std::size_t i) { return archive_[i].rank; });
  best_.insert(place, archive_.size() - 1);
  if (best_.size() > kMostBest) best_.pop_back();
  if (!descent_) return;
  descent_->Tell();
  if (!descent_->Ended()) return;
  used_ += descent_->used();
  (small_ ? small_told_ : large_told_) += descent_->told();
  descent_ = NextDescent();
}

CmaDescent CmaesSampler::Begin() const {
  Vector mean = archive_[best_[0]].place.x;
  for (double& x : mean) x = std::isnan(x) ? 0.5 : x;
  double sigma = kFirstSigma;
  if (archive_.size() >= 3 * start_points_) {
    const std::size_t top = std::min(best_.size(), std::max<std::size_t>(3, archive_.size() / 10));
    double sum = 0;
    for (std::size_t i = 0; i < top; ++i) {
      for (std::size_t k = 0; k < mean.size(); ++k) {
        const double x = archive_[best_[i]].place.x[k];
        sum += std::isnan(x) ? 0 : (x - mean[k]) * (x - mean[k]);
      }
    }
    sigma = std::clamp(std::sqrt(sum / static_cast<double>(top * mean.size())), kLeastSigma, sigma);
  }
  return {coordinates_, seed_, {mean, sigma, lambda_, 0, Uniform(coordinates_)}, archive_};
}

CmaDescent CmaesSampler::NextDescent() {
  ++descents_;
  Random random(seed_, kRestarts | descents_);
  if (large_lambda_ == 0) large_lambda_ = lambda_;
  small_ = small_told_ < large_told_;
  double sigma = kRestartSigma;
  std::size_t lambda = 0;
  if (small_) {
    const double u = random.Uniform(),
                 half = static_cast<double>(large_lambda_) / static_cast<double>(2 * lambda_);
    lambda = static_cast<std::size_t>(static_cast<double>(lambda_) *
                                      math::Pow(std::max(half, 1.0), u * u));
    sigma *= math::Pow(0.01, random.Uniform());
  } else {
    large_lambda_ = std::min(2 * large_lambda_, kMostGrowth * lambda_);
    lambda = large_lambda_;
  }
  Vector mean(coordinates_.numbers());
  for (double& x : mean) x = random.Uniform();
  return {coordinates_, seed_, {mean, sigma, lambda, descents_, Uniform(coordinates_)}, archive_};
}

bool CmaesSampler::Tried(const Point& point) const { return tried_.contains(Ordered(point)); }

Result<Suggestion> CmaesSampler::Suggest(std::int64_t number, const History& history) {
  Read(history);
  const auto untried = [&](const Point& point) { return !Tried(point); };
  if (!descent_ && !CanBegin()) {
    Point point(space_->size());
    for (std::size_t i = 0; i < point.size(); ++i) {
      point[i] = space_->FromUnit(i, ScrambledSobol(seed_, static_cast<std::uint32_t>(number), i));
    }
    if (!space_->Allows(point)) point = space_->Repair(std::move(point));
    const Params params = space_->Decode(point);
    if (untried(space_->Encode(params))) return Suggestion{params, "cmaes: start"};
  }
  std::optional<CmaDescent> first;
  if (!descent_ && CanBegin()) first = Begin();
  if (!descent_ && !first) {
    Random random(seed_, kDraws | static_cast<std::uint64_t>(number));
    auto unseen = seen_.Unseen(random);
    if (!unseen.ok() && unseen.error().kind != ErrorKind::kNotFound) return unseen.error();
    return Suggestion{space_->Decode(unseen.ok() ? *unseen : space_->Draw(random)), "cmaes: start"};
  }
  CmaDescent& descent = descent_ ? *descent_ : *first;
  if (const auto* next = descent.Next(untried)) {
    return Suggestion{space_->Decode(next->place.point),
                      next->injected ? "cmaes: quadratic" : "cmaes"};
  }
  return Other(number, descent);
}

Result<Suggestion> CmaesSampler::Other(std::int64_t number, const CmaDescent& descent) const {
  Random random(seed_, kDraws | static_cast<std::uint64_t>(number));
  CmaSpace::Place place = descent.Draw(random);
  for (int i = 0; i < kRedraws && Tried(place.point); ++i) place = descent.Draw(random);
  if (!Tried(place.point)) return Suggestion{space_->Decode(place.point), "cmaes"};
  auto unseen = seen_.Unseen(random);
  if (unseen.ok()) return Suggestion{space_->Decode(*unseen), "cmaes"};
  if (unseen.error().kind != ErrorKind::kNotFound) return unseen.error();
  return Suggestion{space_->Decode(place.point), "cmaes"};
}

double CmaesSampler::UsedShare(const History& history) {
  Read(history);
  return archive_.empty() ? 1
                          : static_cast<double>(used_ + (descent_ ? descent_->used() : 0)) /
                                static_cast<double>(archive_.size());
}

std::string CmaesSampler::Explain(const History& history) {
  const double share = UsedShare(history);
  if (!descent_) {
    return "cmaes: scrambled Sobol points until " + std::to_string(start_points_) +
           " trials have ended";
  }
  return "cmaes: generation " + std::to_string(descent_->cma().generation()) + " of descent " +
         std::to_string(descents_) + ", lambda " + std::to_string(descent_->lambda()) + ", sigma " +
         ParamText(descent_->cma().sigma()) + " of the range; " +
         std::to_string(static_cast<int>(100 * share)) + " % of " +
         std::to_string(archive_.size()) + " finished trials were used";
}

}  // namespace muster::tuner
