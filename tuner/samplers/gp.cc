#include "tuner/samplers/gp.h"

#include <algorithm>
#include <cmath>

namespace muster::tuner {
namespace {

/// Trials before the models are asked.
constexpr std::int64_t kStartup = 8;
/// Of the search for the largest utility: see gp::SearchPlan.
constexpr int kDraws = 300, kClimbs = 4, kEvaluations = 30;
constexpr double kReach = 0.6;
constexpr std::size_t kCentres = 5;
/// What the near model is fitted to.
constexpr std::size_t kNearRows = 70;

constexpr int kSpreadDraws = 30;
constexpr std::uint64_t kDrawsPerPoint = 1 << 16;

/// As the prior covariance sees it: a number's difference, or 1 for another state.
double Distance(const Space& space, const gp::Unit& a, const gp::Unit& b) {
  double sum = 0;
  for (std::size_t p = 0; p < a.size(); ++p) {
    const double difference = a[p] - b[p];
    sum += space.scales()[p].choices > 0 ? (difference == 0 ? 0 : 0.25) : difference * difference;
  }
  return sum;
}

}  // namespace

GpSampler::GpSampler(const SearchSpec& spec)
    : space_(spec.space),
      seed_(spec.seed),
      startup_(kStartup),
      random_(spec),
      seen_(spec.space),
      observations_(spec.space),
      wide_(spec.space) {
  for (const Scale& scale : space_->scales()) numbers_ += scale.choices == 0 ? 1 : 0;
}

Status GpSampler::Check(const SearchSpec& spec) {
  if (spec.goals.size() == 1) return Ok();
  return Invalid("gp searches one objective, not " + std::to_string(spec.goals.size()) +
                 "; nsga2 takes several");
}

bool GpSampler::Starting(std::int64_t number) const {
  const auto learnt = static_cast<std::int64_t>(observations_.all().size());
  return learnt < 3 || std::max(number, learnt) < startup_;
}

bool GpSampler::AsksNear(std::int64_t number) const {
  return numbers_ > 0 && observations_.losses() >= numbers_ + 5 && number % 3 != 0;
}

void GpSampler::Read(const History& history) {
  if (observations_.Read(history)) wide_ = gp::Wide(space_);
  seen_.Read(history);
}

std::optional<Point> GpSampler::Spread(std::int64_t number, const History& history) const {
  Random random(seed_, static_cast<std::uint64_t>(number));
  std::vector<gp::Unit> taken;
  for (const Trial& trial : history.trials()) {
    taken.push_back(gp::ToUnit(*space_, space_->Encode(trial.params)));
  }
  std::optional<Point> farthest;
  double most = -1;
  for (int i = 0; i < kSpreadDraws; ++i) {
    random.Seek(static_cast<std::uint64_t>(i) * kDrawsPerPoint);
    Point point = space_->Draw(random);
    if (seen_.Contains(point)) continue;
    const gp::Unit unit = gp::ToUnit(*space_, point);
    double nearest = INFINITY;
    for (const auto& other : taken) nearest = std::min(nearest, Distance(*space_, unit, other));
    if (nearest <= most) continue;
    most = nearest;
    farthest = std::move(point);
  }
  return farthest;
}

std::optional<Point> GpSampler::Improve(std::int64_t number, const History& history) {
  const auto& all = observations_.all();
  const gp::Evidence evidence = gp::EvidenceOf(all);
  std::vector<gp::Unit> pending;
  for (const Trial& trial : history.trials()) {
    if (IsFinished(trial.state)) continue;
    pending.push_back(gp::ToUnit(*space_, space_->Encode(trial.params)));
  }
  wide_.Update(all, evidence);
  gp::Utility utility{.limits = wide_.limits()};
  std::vector<const gp::Unit*> centres;
  for (const std::size_t i : gp::BestOf(evidence, kCentres))
    centres.push_back(&all[evidence.which[i]].unit);
  gp::SearchPlan plan{.centres = std::move(centres),
                      .draws = kDraws,
                      .climbs = kClimbs,
                      .evaluations = kEvaluations};
  const Random random(seed_, static_cast<std::uint64_t>(number));
  if (AsksNear(number)) {
    const gp::Near near = gp::FitNear(*space_, all, evidence, pending, kNearRows);
    utility.objective = &near.objective;
    utility.best = near.best;
    plan.chart = &near.objective.chart;
    plan.reach = kReach;
    return gp::Maximize(*space_, utility, plan, seen_, random);
  }
  const gp::Model& wide = wide_.objective();
  if (std::isfinite(wide_.best()) || utility.limits.empty()) {
    wide_.Assume(pending);
    utility.objective = &wide;
    utility.best = wide_.best();
  }
  plan.chart = &wide.chart;
  return gp::Maximize(*space_, utility, plan, seen_, random);
}

Result<Suggestion> GpSampler::Suggest(std::int64_t number, const History& history) {
  Read(history);
  const bool starting = Starting(number);
  const auto point = starting ? Spread(number, history) : Improve(number, history);
  // A finite space nearly used up, or a draw that met only what was seen.
  if (!point) return random_.Suggest(number, history);
  const char* by = starting ? "gp: spread" : AsksNear(number) ? "gp: near" : "gp: wide";
  return Suggestion{space_->Decode(*point), by};
}

std::string GpSampler::Explain(const History& history) {
  Read(history);
  const auto learnt = observations_.all().size();
  const std::string seen = "gp: " + std::to_string(observations_.losses()) + " values and " +
                           std::to_string(learnt - observations_.losses()) + " failures seen; ";
  if (Starting(history.size())) {
    return seen + "the next trial is far from all others, up to " + std::to_string(startup_) +
           " trials and until 3 have ended";
  }
  if (AsksNear(history.size())) {
    return seen + "the next trial improves most in the model of the best " +
           std::to_string(std::min(kNearRows, observations_.losses()));
  }
  return seen +
         "the next trial improves most in the model of the whole space, fitted to the first " +
         std::to_string(gp::FittedAt(learnt));
}

}  // namespace muster::tuner
