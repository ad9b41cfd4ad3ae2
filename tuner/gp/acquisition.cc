#include "tuner/gp/acquisition.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/math.h"
#include "tuner/gp/lbfgs.h"

namespace muster::tuner::gp {
namespace {

constexpr std::size_t kBlock = 64;  ///< candidates scored at a time
constexpr std::size_t kGrid =
    16;  ///< a choice or stepped number with more values is searched by neighbours

/// Adds the weighted gradient of a belief, over u.
void AddGradient(const Model& model, const Unit& unit, const Belief& belief, double per_mean,
                 double per_variance, std::vector<double>& gradient) {
  std::vector<double> over_z(belief.mean_gradient.size());
  for (std::size_t i = 0; i < over_z.size(); ++i) {
    over_z[i] = per_mean * belief.mean_gradient[i] + per_variance * belief.variance_gradient[i];
  }
  const auto over_u = model.chart.Pull(over_z, unit);
  for (std::size_t i = 0; i < over_u.size(); ++i) gradient[i] += over_u[i];
}

struct Scored {
  Unit unit;
  double score = 0;
};

/// The best first; ties as they were found.
void Sort(std::vector<Scored>& scored) {
  std::stable_sort(scored.begin(), scored.end(),
                   [](const Scored& a, const Scored& b) { return a.score > b.score; });
}

class Search {
 public:
  Search(const Space& space, const Utility& utility, const SearchPlan& plan, const SeenPoints& seen,
         Random random)
      : space_(space), utility_(utility), plan_(plan), seen_(seen), random_(random) {
    for (std::size_t p = 0; p < space.size(); ++p) {
      stepped_ |= space.scales()[p].choices > 0 || space.scales()[p].cells > 0;
    }
  }

  std::optional<Point> Run() {
    std::vector<Scored> found = Draws();
    const std::size_t starts = std::min(found.size(), static_cast<std::size_t>(plan_.climbs));
    std::vector<Scored> ends;
    for (std::size_t i = 0; i < starts; ++i) {
      Scored end = Climb(found[i]);
      if (stepped_) end = Walk(std::move(end));
      ends.push_back(std::move(end));
    }
    ends.insert(ends.end(), found.begin(), found.end());
    Sort(ends);
    for (const Scored& end : ends) {
      Point point = ToPoint(space_, end.unit);
      // In a space with floats, which nobody lists, the points that can come twice are those it began from.
      const bool again =
          std::ranges::any_of(plan_.centres, [&](const Unit* c) { return *c == end.unit; });
      if (!again && !seen_.Contains(point)) return point;
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] Unit Snapped(const Unit& unit) const {
    return ToUnit(space_, ToPoint(space_, unit));
  }

  /// Raw candidates, scored, the best first.
  std::vector<Scored> Draws() {
    std::vector<Unit> units;
    units.reserve(plan_.centres.size() + static_cast<std::size_t>(plan_.draws));
    for (const Unit* centre : plan_.centres) units.push_back(Snapped(*centre));
    for (int i = 0; i < plan_.draws; ++i) units.push_back(Snapped(Draw(i)));
    const auto scores = utility_.AtMany(units);
    std::vector<Scored> found;
    found.reserve(units.size());
    for (std::size_t i = 0; i < units.size(); ++i) {
      found.push_back({std::move(units[i]), scores[i]});
    }
    Sort(found);
    return found;
  }

  Unit Draw(int i) {
    random_.Seek(static_cast<std::uint64_t>(i + 1) << 20);
    const bool anywhere = plan_.reach == 0 && (plan_.centres.empty() || i % 2 == 0);
    if (anywhere) return ToUnit(space_, space_.Draw(random_));
    Unit unit = *plan_.centres[random_.Below(plan_.centres.size())];
    // Steps of very different sizes: nobody knows how near the best is.
    static constexpr double kScales[] = {0.3, 0.1, 0.03, 0.01};
    const double scale = kScales[random_.Below(4)];
    std::vector<double> z(plan_.chart->features());
    plan_.chart->ToRow(unit, z);
    for (std::size_t f = 0; f < plan_.chart->numbers(); ++f) {
      z[f] += scale * random_.Normal();
      if (plan_.reach > 0) z[f] = std::clamp(z[f], -plan_.reach, plan_.reach);
    }
    plan_.chart->FromRow(z, unit);
    for (std::size_t p = 0; p < space_.size(); ++p) {
      const std::size_t choices = space_.scales()[p].choices;
      if (choices > 0 && random_.Chance(0.2)) unit[p] = static_cast<double>(random_.Below(choices));
    }
    return unit;
  }

  Scored Climb(const Scored& from) {
    const Chart& chart = *plan_.chart;
    const std::size_t d = chart.numbers();
    if (d == 0 || !std::isfinite(from.score)) return from;
    std::vector<double> start(chart.features());
    chart.ToRow(from.unit, start);
    start.resize(d);
    Bounds bounds{std::vector<double>(d, -0.5), std::vector<double>(d, 0.5)};
    if (plan_.reach > 0)
      bounds = {std::vector<double>(d, -plan_.reach), std::vector<double>(d, plan_.reach)};
    const Point active = ToPoint(space_, from.unit);
    Unit unit = from.unit;
    std::vector<double> over_u;
    const auto f = [&](std::span<const double> z, std::span<double> gradient) {
      chart.FromRow(z, unit);
      std::vector<bool> held(d);
      for (std::size_t i = 0; i < d; ++i) {
        const std::size_t p = chart.coordinates()[i];
        const double u = std::isnan(active[p]) ? 0.5 : std::clamp(unit[p], 0.0, 1.0);
        held[i] = u != unit[p];
        unit[p] = u;
      }
      const double value = utility_.At(unit, &over_u);
      for (std::size_t i = 0; i < d; ++i) over_u[i] = held[i] ? 0 : -over_u[i];
      std::ranges::copy(chart.Push(over_u, unit), gradient.begin());
      return -value;
    };
    const Minimum top = Minimize(
        f, start, bounds, {.evaluations = plan_.evaluations, .gradient = 1e-4, .progress = 1e-6});
    Scored end = from;
    chart.FromRow(top.x, end.unit);
    end.unit = Snapped(end.unit);
    end.score = stepped_ ? utility_.At(end.unit, nullptr) : -top.f;
    return end.score > from.score ? end : from;
  }

  /// Coordinate by coordinate over choices and steps, while it helps.
  Scored Walk(Scored at) const {
    for (int round = 0; round < 3; ++round) {
      const double before = at.score;
      for (std::size_t p = 0; p < space_.size(); ++p) {
        std::vector<Unit> tried = Neighbours(at.unit, p);
        if (tried.empty()) continue;
        const auto scores = utility_.AtMany(tried);
        const auto best = std::ranges::max_element(scores) - scores.begin();
        const auto k = static_cast<std::size_t>(best);
        if (scores[k] > at.score) at = {std::move(tried[k]), scores[k]};
      }
      if (at.score == before) break;
    }
    return at;
  }

  [[nodiscard]] std::vector<Unit> Neighbours(const Unit& unit, std::size_t p) const {
    const Scale& scale = space_.scales()[p];
    std::vector<Unit> found;
    const auto add = [&](double value) {
      Unit other = unit;
      other[p] = value;
      other = Snapped(other);
      if (other != unit && !seen_.Contains(ToPoint(space_, other)))
        found.push_back(std::move(other));
    };
    if (unit[p] < 0) return found;
    if (scale.choices > 0) {
      for (std::size_t k = 0; k < scale.choices; ++k) add(static_cast<double>(k));
    } else if (scale.cells > 0 && scale.cells <= kGrid) {
      const auto cells = static_cast<int>(scale.cells);
      for (int k = 0; k < cells; ++k) add((k + 0.5) / scale.cells);
    } else if (scale.cells > 0) {
      for (const double step : {-3, -2, -1, 1, 2, 3}) add(unit[p] + step / scale.cells);
    }
    return found;
  }

  const Space& space_;
  const Utility& utility_;
  const SearchPlan& plan_;
  const SeenPoints& seen_;
  Random random_;
  bool stepped_ = false;
};

}  // namespace

double Utility::At(const Unit& unit, std::vector<double>* gradient) const {
  double value = 0;
  Belief belief;
  const auto add = [&](const Model& model, double bound, bool improvement, double power) {
    std::vector<double> row(model.chart.features());
    model.chart.ToRow(unit, row);
    model.regression.Predict(row, belief, gradient != nullptr);
    if (gradient != nullptr) gradient->resize(model.chart.numbers());
    const double sigma = std::sqrt(belief.variance), z = (bound - belief.mean) / sigma;
    Slope slope = improvement ? LogH(z) : LogPhi(z);
    slope = {power * slope.value, power * slope.derivative};
    value += slope.value + (improvement ? 0.5 * math::Log(belief.variance) : 0);
    if (gradient == nullptr) return;
    const double per_variance =
        (-0.5 * slope.derivative * z + (improvement ? 0.5 : 0)) / belief.variance;
    AddGradient(model, unit, belief, -slope.derivative / sigma, per_variance, *gradient);
  };
  if (gradient != nullptr) gradient->clear();
  if (objective != nullptr) add(*objective, best, true, 1);
  for (const Limit& limit : limits) add(*limit.model, limit.bound, false, limit.power);
  return value;
}

std::vector<double> Utility::AtMany(const std::vector<Unit>& units) const {
  std::vector<double> values(units.size()), means(kBlock), variances(kBlock), rows;
  const auto add = [&](const Model& model, double bound, bool improvement, double power) {
    const std::size_t d = model.chart.features();
    rows.resize(kBlock * d);
    for (std::size_t from = 0; from < units.size(); from += kBlock) {
      const std::size_t count = std::min(kBlock, units.size() - from);
      for (std::size_t i = 0; i < count; ++i) {
        model.chart.ToRow(units[from + i], std::span(rows).subspan(i * d, d));
      }
      model.regression.PredictMany(rows, count, means, variances);
      for (std::size_t i = 0; i < count; ++i) {
        const double z = (bound - means[i]) / std::sqrt(variances[i]);
        values[from + i] +=
            improvement ? LogH(z).value + 0.5 * math::Log(variances[i]) : power * LogPhi(z).value;
      }
    }
  };
  if (objective != nullptr) add(*objective, best, true, 1);
  for (const Limit& limit : limits) add(*limit.model, limit.bound, false, limit.power);
  return values;
}

std::optional<Point> Maximize(const Space& space, const Utility& utility, const SearchPlan& plan,
                              const SeenPoints& seen, Random random) {
  return Search(space, utility, plan, seen, random).Run();
}

}  // namespace muster::tuner::gp
