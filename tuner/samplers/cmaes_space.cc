#include "tuner/samplers/cmaes_space.h"

#include <algorithm>
#include <cmath>

namespace muster::tuner {

CmaSpace::CmaSpace(std::shared_ptr<const Space> space) : space_(std::move(space)) {
  for (std::size_t i = 0; i < space_->size(); ++i) {
    const Scale& scale = space_->scales()[i];
    if (scale.choices > 0) {
      choices_.push_back(i);
    } else if (scale.cells != 1) {
      numbers_.push_back(i);
    }
  }
}

std::size_t CmaSpace::Values(std::size_t choice) const {
  return space_->scales()[choices_[choice]].choices;
}

double CmaSpace::CellWidth(std::size_t number, double u) const {
  const std::size_t i = numbers_[number];
  if (space_->scales()[i].cells == 0) return 0;
  const auto [low, high] = space_->Cell(i, space_->FromUnit(i, std::clamp(u, 0.0, 1.0)));
  return space_->ToUnit(i, high) - space_->ToUnit(i, low);
}

CmaSpace::Place CmaSpace::At(Vector x, std::vector<double> choices) const {
  Point point(space_->size());
  for (std::size_t i = 0; i < point.size(); ++i) point[i] = space_->FromUnit(i, 0.5);
  for (std::size_t k = 0; k < numbers_.size(); ++k) {
    point[numbers_[k]] = space_->FromUnit(numbers_[k], std::clamp(x[k], 0.0, 1.0));
  }
  for (std::size_t k = 0; k < choices_.size(); ++k) point[choices_[k]] = choices[k];
  if (!space_->Allows(point)) point = space_->Repair(point);
  return At(space_->Encode(space_->Decode(point)));
}

CmaSpace::Place CmaSpace::At(Point point) const {
  Place place;
  for (const std::size_t i : numbers_) place.x.push_back(space_->ToUnit(i, point[i]));
  for (const std::size_t i : choices_) place.choices.push_back(point[i]);
  place.point = std::move(point);
  return place;
}

Rank RankOf(const Trial& trial) {
  if (trial.state == TrialState::kPruned && !trial.reports.empty()) {
    const auto& [step, loss] = trial.reports.back();
    return {2, -static_cast<double>(step), loss, trial.number};
  }
  if (trial.state != TrialState::kComplete || trial.broke()) return {3, 0, 0, trial.number};
  if (const double violation = trial.violation(); violation > 0) {
    return {1, violation, trial.losses[0], trial.number};
  }
  return {0, trial.losses[0], 0, trial.number};
}

bool IsMeasured(const Rank& rank) {
  return std::get<0>(rank) == 0 && std::isfinite(std::get<1>(rank));
}

bool SamePoint(const Point& a, const Point& b) {
  return std::ranges::equal(
      a, b, [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

}  // namespace muster::tuner
