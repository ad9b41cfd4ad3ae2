#include "tuner/samplers/nsga2.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/math.h"
#include "tuner/samplers/sobol.h"

namespace muster::tuner {
namespace {

constexpr std::uint64_t kBreeding = 0x45a2ULL
                                    << 44;  ///< streams of random numbers; beside trial numbers
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kPopulation = 50;
constexpr double kCrossoverShare = 0.9, kCrossoverEta = 15, kMutationEta = 20;
constexpr int kRedraws = 20;

Point Ordered(Point point) {
  for (double& x : point) x = std::isnan(x) ? -1 : x;
  return point;
}

/// One of the two children of a and b, a <= b, in [0, 1]: the one on a's side.
double Crossed(double a, double b, double u) {
  const double eta = kCrossoverEta;
  if (b - a < 1e-14) return a;
  const double beta = 1 + 2 * std::min(a, 1 - b) / (b - a);
  const double alpha = 2 - math::Pow(beta, -(eta + 1));
  const double spread = u <= 1 / alpha ? math::Pow(u * alpha, 1 / (eta + 1))
                                       : math::Pow(1 / (2 - u * alpha), 1 / (eta + 1));
  return std::clamp(0.5 * (a + b - spread * (b - a)), 0.0, 1.0);
}

double Mutated(double x, double u) {
  const double eta = kMutationEta;
  const double side = u < 0.5 ? x : 1 - x;
  const double share = u < 0.5 ? 2 * u : 2 * (1 - u);
  const double delta =
      1 - math::Pow(share + (1 - share) * math::Pow(1 - side, eta + 1), 1 / (eta + 1));
  return std::clamp(u < 0.5 ? x - delta : x + delta, 0.0, 1.0);
}

}  // namespace

Nsga2Sampler::Nsga2Sampler(const SearchSpec& spec)
    : space_(spec.space),
      seed_(spec.seed),
      objectives_(spec.goals.size()),
      start_points_(std::clamp<std::size_t>(4 * spec.space->size(), 10, 40)),
      seen_(spec.space) {}

void Nsga2Sampler::Read(const History& history) {
  reader_.Read(
      history,
      [&] {
        tried_.clear();
        population_.clear();
      },
      [&](const Trial& trial) { tried_.insert(Ordered(space_->Encode(trial.params))); },
      [&](const Trial& trial) { Enter(trial); });
  seen_.Read(history);
}

void Nsga2Sampler::Enter(const Trial& trial) {
  if (trial.state == TrialState::kLost) return;
  Individual& one = population_.emplace_back();
  one.point = space_->Encode(trial.params);
  one.losses.assign(objectives_, 0);
  one.violation = kInfinity;
  if (trial.state == TrialState::kComplete && !trial.broke()) {
    one.losses = trial.losses;
    one.violation = trial.violation();
  } else if (trial.state == TrialState::kPruned && !trial.reports.empty()) {
    // After all that broke a constraint by less than this; those that came further first.
    one.violation = 1e300 / (1 + static_cast<double>(trial.reports.back().step));
  }
  RankAll();
  if (population_.size() <= kPopulation) return;
  const auto worst = std::ranges::max_element(
      population_, {}, [](const Individual& i) { return std::pair(i.rank, -i.crowding); });
  population_.erase(worst);
  RankAll();
}

void Nsga2Sampler::RankAll() {
  std::vector<Losses> points;
  std::vector<double> violations;
  points.reserve(population_.size());
  violations.reserve(population_.size());
  for (const Individual& one : population_) {
    points.push_back(one.losses);
    violations.push_back(one.violation);
  }
  const auto ranks = NonDominatedRanks(points, violations);
  std::vector<std::vector<std::size_t>> fronts(*std::ranges::max_element(ranks) + 1);
  for (std::size_t i = 0; i < ranks.size(); ++i) fronts[ranks[i]].push_back(i);
  for (const auto& front : fronts) {
    std::vector<Losses> members;
    members.reserve(front.size());
    for (const std::size_t i : front) members.push_back(points[i]);
    const auto distances = CrowdingDistances(members);
    for (std::size_t k = 0; k < front.size(); ++k) {
      population_[front[k]].rank = ranks[front[k]];
      population_[front[k]].crowding = distances[k];
    }
  }
}

const Nsga2Sampler::Individual& Nsga2Sampler::Tournament(Random& random) const {
  const Individual& a = population_[random.Below(population_.size())];
  const Individual& b = population_[random.Below(population_.size())];
  return std::pair(b.rank, -b.crowding) < std::pair(a.rank, -a.crowding) ? b : a;
}

Point Nsga2Sampler::Child(Random& random) const {
  const Individual& first = Tournament(random);
  const Individual& second = Tournament(random);
  const bool crossed = random.Chance(kCrossoverShare);
  const double mutation = 1 / static_cast<double>(space_->size());
  Point child(space_->size());
  for (std::size_t i = 0; i < child.size(); ++i) {
    // As many draws for every parameter, so that none depends on what the others are.
    const bool swap = random.Chance(0.5), blend = random.Chance(0.5),
               mutate = random.Chance(mutation);
    const double spread = random.Uniform(), step = random.Uniform();
    double a = first.point[i], b = second.point[i];
    if (std::isnan(a)) a = b;
    if (std::isnan(b)) b = a;
    if (std::isnan(a) || (mutate && space_->scales()[i].choices > 0)) {
      child[i] = space_->FromUnit(i, step);
      continue;
    }
    if (space_->scales()[i].choices > 0) {
      child[i] = crossed && swap ? b : a;
      continue;
    }
    a = std::clamp(space_->ToUnit(i, a), 0.0, 1.0);
    b = std::clamp(space_->ToUnit(i, b), 0.0, 1.0);
    double u = crossed && swap ? b : a;
    if (crossed && blend) {
      u = swap == (a < b) ? 1 - Crossed(1 - std::max(a, b), 1 - std::min(a, b), spread)
                          : Crossed(std::min(a, b), std::max(a, b), spread);
    }
    child[i] = space_->FromUnit(i, mutate ? Mutated(u, step) : u);
  }
  return child;
}

Point Nsga2Sampler::Start(std::int64_t number) const {
  Point point(space_->size());
  for (std::size_t i = 0; i < point.size(); ++i) {
    point[i] = space_->FromUnit(i, ScrambledSobol(seed_, static_cast<std::uint32_t>(number), i));
  }
  return point;
}

Result<Suggestion> Nsga2Sampler::Suggest(std::int64_t number, const History& history) {
  Read(history);
  Random random(seed_, kBreeding | static_cast<std::uint64_t>(number));
  const bool starting = population_.size() < start_points_;
  const char* by = starting ? "nsga2: start" : "nsga2";
  for (int redraw = 0; redraw < kRedraws; ++redraw) {
    Point point = !starting ? Child(random) : redraw == 0 ? Start(number) : space_->Draw(random);
    if (starting) random.Next();
    if (!space_->Allows(point)) point = space_->Repair(std::move(point));
    Params params = space_->Decode(point);
    if (!tried_.contains(Ordered(space_->Encode(params)))) return Suggestion{std::move(params), by};
  }
  auto unseen = seen_.Unseen(random);
  if (!unseen.ok() && unseen.error().kind != ErrorKind::kNotFound) return unseen.error();
  return Suggestion{space_->Decode(unseen.ok() ? *unseen : space_->Draw(random)), by};
}

std::string Nsga2Sampler::Explain(const History& history) {
  Read(history);
  const auto front = std::ranges::count(population_, std::size_t{0}, &Individual::rank);
  return "nsga2: children of a population of " + std::to_string(population_.size()) + ", " +
         std::to_string(front) + " of them on the front; scrambled Sobol points until " +
         std::to_string(start_points_) + " trials have ended";
}

}  // namespace muster::tuner
