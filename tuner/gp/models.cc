#include "tuner/gp/models.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/math.h"
#include "tuner/gp/likelihood.h"

namespace muster::tuner::gp {
namespace {

constexpr double kWideBend = 1, kNearBend = 0.2;  ///< see Warp
constexpr int kWideEvaluations = 50, kNearEvaluations = 40, kWarpEvaluations = 40;
/// The probability of success is raised to 1 + this times the share of failures among the newest trials. With
/// the power 1 a search that has found the optimum beside a failing region fails every other time: what is left
/// to improve differs by more from point to point than the odds do.
constexpr double kCaution = 20;
constexpr std::size_t kNewest = 20;
constexpr std::size_t kMostRows = 1000, kMostFitted = 150;

Rows RowsOf(const Chart& chart, const std::vector<Observation>& all,
            const std::vector<std::size_t>& which) {
  std::vector<const Unit*> units;
  std::vector<double> weights;
  for (const std::size_t i : which) {
    units.push_back(&all[i].unit);
    weights.push_back(all[i].weight);
  }
  return chart.ToRows(units, weights);
}

/// Rows, hyperparameters and, if `warped`, warps fitted to at most kMostFitted of them; targets by TargetsOf(values).
template <class TargetsOf>
std::unique_ptr<Model> FitModel(const Space& space, bool warped,
                                const std::vector<Observation>& all,
                                const std::vector<std::size_t>& which,
                                const std::vector<double>& values, const TargetsOf& targets_of) {
  Chart chart = Chart::Whole(space);
  std::vector<std::size_t> places(which.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  const auto some = Thinned(places, values, kMostFitted);
  const auto targets = targets_of(Pick(values, some));
  const Rows rows = RowsOf(chart, all, Pick(which, some));
  Hyperparameters fitted = Hyperparameters::Start(chart.features());
  fitted = Fit(rows, targets, fitted, kWideEvaluations);
  auto warp = warped ? FitWarped(rows, targets, fitted, kWarpEvaluations) : std::nullopt;
  if (warp) {
    fitted = std::move(warp->hyperparameters);
    chart = Chart::Warped(space, std::move(warp->warps));
  }
  auto model =
      std::make_unique<Model>(Model{chart, Regression(fitted, chart.numbers(), chart.states())});
  model->regression.Assign(RowsOf(chart, all, which));
  return model;
}

/// A constraint's values, 0 staying 0: their logarithms on both sides, by the median size.
std::vector<double> LimitTargets(std::vector<double> values) {
  std::vector<double> sizes;
  for (double& v : values) {
    v = std::clamp(v, -1e100, 1e100);
    sizes.push_back(std::abs(v));
  }
  if (sizes.empty()) return values;
  std::ranges::nth_element(sizes, sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2));
  const double middle = std::max(sizes[sizes.size() / 2], 1e-300);
  for (double& v : values) v = std::copysign(math::Log1p(std::abs(v) / middle), v);
  return values;
}

/// Adds rows that came out as the model expects.
void Assume(Model& model, std::vector<double>& targets, const std::vector<Unit>& pending) {
  std::vector<double> row(model.chart.features());
  Belief belief;
  for (const Unit& unit : pending) {
    model.chart.ToRow(unit, row);
    model.regression.Predict(row, belief, false);
    model.regression.Add(row, 1);
    targets.push_back(belief.mean);
  }
  model.regression.SetTargets(targets);
}

}  // namespace

std::size_t FittedAt(std::size_t n) {
  std::size_t count = 2;
  while (true) {
    const std::size_t next = count + std::max<std::size_t>(2, count / 10);
    if (next > n) return count;
    count = next;
  }
}

/// The probability that a value is at most 0: of a constraint, or of the label of failures (1; success is -1).
struct Wide::LimitModel {
  std::size_t constraint = 0;
  bool failure = false;
  std::unique_ptr<Model> model;
  std::vector<double> values;

  [[nodiscard]] bool Knows(const Observation& seen) const {
    return failure || constraint < seen.constraints.size();
  }
  [[nodiscard]] double Of(const Observation& seen) const {
    if (failure) return seen.broke ? 1 : -1;
    return seen.constraints[constraint];
  }
  [[nodiscard]] std::vector<double> Targets(const std::vector<double>& from) const {
    return failure ? from : LimitTargets(from);
  }
};

Wide::Wide(std::shared_ptr<const Space> space) : space_(std::move(space)) {}
Wide::~Wide() = default;
Wide::Wide(Wide&&) noexcept = default;
Wide& Wide::operator=(Wide&&) noexcept = default;

void Wide::Refit(const std::vector<Observation>& all, std::size_t count) {
  const std::vector<Observation> first(all.begin(),
                                       all.begin() + static_cast<std::ptrdiff_t>(count));
  const Evidence evidence = EvidenceOf(first);
  objective_.reset();
  limits_.clear();
  rows_ = Thinned(evidence.which, evidence.losses, kMostRows);
  std::vector<double> losses;
  for (std::size_t i = 0, j = 0; i < evidence.which.size() && j < rows_.size(); ++i) {
    if (evidence.which[i] != rows_[j]) continue;
    losses.push_back(evidence.losses[i]);
    ++j;
  }
  objective_ = FitModel(*space_, true, all, rows_, losses,
                        [](const std::vector<double>& y) { return Warp(y, kWideBend); });
  std::size_t constraints = 0;
  bool failures = false;
  for (const Observation& seen : first) {
    constraints = std::max(constraints, seen.constraints.size());
    failures |= seen.broke;
  }
  const auto add = [&](std::size_t constraint, bool failure) {
    auto limit = std::make_unique<LimitModel>();
    limit->constraint = constraint;
    limit->failure = failure;
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < first.size(); ++i) {
      if (!limit->Knows(first[i])) continue;
      which.push_back(i);
      limit->values.push_back(limit->Of(first[i]));
    }
    // The newest teach where the search is now.
    if (which.size() > kMostRows) {
      const auto extra = static_cast<std::ptrdiff_t>(which.size() - kMostRows);
      which.erase(which.begin(), which.begin() + extra);
      limit->values.erase(limit->values.begin(), limit->values.begin() + extra);
    }
    limit->model = FitModel(*space_, false, all, which, limit->values,
                            [&](const std::vector<double>& y) { return limit->Targets(y); });
    limits_.push_back(std::move(limit));
  };
  if (failures) add(0, true);
  for (std::size_t k = 0; k < constraints; ++k) add(k, false);
  fitted_ = read_ = count;
}

void Wide::Update(const std::vector<Observation>& all, const Evidence& evidence) {
  const std::size_t count = std::min(FittedAt(all.size()), all.size());
  if (count != fitted_ || all.size() < read_) Refit(all, count);
  objective_->regression.Truncate(rows_.size());
  std::vector<double> row(objective_->chart.features());
  for (; read_ < all.size(); ++read_) {
    const Observation& seen = all[read_];
    if (!seen.broke) {
      objective_->chart.ToRow(seen.unit, row);
      objective_->regression.Add(row, seen.weight);
      rows_.push_back(read_);
    }
    for (auto& limit : limits_) {
      if (!limit->Knows(seen)) continue;
      limit->model->chart.ToRow(seen.unit, row);
      limit->model->regression.Add(row, seen.weight);
      limit->values.push_back(limit->Of(seen));
    }
  }
  std::size_t failures = 0;
  const std::size_t newest = std::min(all.size(), kNewest);
  for (std::size_t i = all.size() - newest; i < all.size(); ++i) failures += all[i].broke ? 1 : 0;
  caution_ = 1 + kCaution * static_cast<double>(failures) / static_cast<double>(newest);
  SetTargets(evidence);
  for (auto& limit : limits_) limit->model->regression.SetTargets(limit->Targets(limit->values));
}

void Wide::SetTargets(const Evidence& evidence) {
  std::vector<double> losses;
  std::vector<bool> feasible;
  for (std::size_t i = 0, j = 0; i < evidence.which.size() && j < rows_.size(); ++i) {
    if (evidence.which[i] != rows_[j]) continue;
    losses.push_back(evidence.losses[i]);
    feasible.push_back(evidence.feasible[i]);
    ++j;
  }
  targets_ = Warp(losses, kWideBend);
  objective_->regression.SetTargets(targets_);
  best_ = INFINITY;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (feasible[i]) best_ = std::min(best_, objective_->regression.Smoothed(i, targets_[i]));
  }
}

void Wide::Assume(const std::vector<Unit>& pending) {
  std::vector<double> targets = targets_;
  gp::Assume(*objective_, targets, pending);
}

std::vector<Utility::Limit> Wide::limits() const {
  std::vector<Utility::Limit> found;
  found.reserve(limits_.size());
  for (const auto& limit : limits_) {
    found.push_back({limit->model.get(), 0, limit->failure ? caution_ : 1});
  }
  return found;
}

Near FitNear(const Space& space, const std::vector<Observation>& all, const Evidence& evidence,
             const std::vector<Unit>& pending, std::size_t most) {
  const auto places = BestOf(evidence, most);
  const auto which = Pick(evidence.which, places);
  std::vector<const Unit*> units;
  units.reserve(which.size());
  for (const std::size_t i : which) units.push_back(&all[i].unit);
  const Chart chart = Chart::Around(space, units);
  const Rows rows = RowsOf(chart, all, which);
  std::vector<double> targets = Warp(Pick(evidence.losses, places), kNearBend);
  const auto fitted =
      Fit(rows, targets, Hyperparameters::Start(chart.features()), kNearEvaluations);
  Near near{{chart, Regression(fitted, chart.numbers(), chart.states())}, INFINITY, rows.size()};
  near.objective.regression.Assign(rows);
  near.objective.regression.SetTargets(targets);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    near.best = std::min(near.best, near.objective.regression.Smoothed(i, targets[i]));
  }
  Assume(near.objective, targets, pending);
  return near;
}

}  // namespace muster::tuner::gp
