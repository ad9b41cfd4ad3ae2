#include "tuner/gp/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace muster::tuner::gp {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t kPairs = 10;
constexpr double kArmijo = 1e-4;
constexpr int kHalvings = 25;

double Dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// A step s and the change y of the gradient over it.
struct Pair {
  Vector s, y;
  double rho = 0;  ///< 1 / (s y)
};

/// -H g by the two-loop recursion; H begins as (s y) / (y y) of the newest pair.
Vector Direction(const std::deque<Pair>& pairs, const Vector& g) {
  Vector q = g, alphas(pairs.size());
  for (std::size_t k = pairs.size(); k-- > 0;) {
    alphas[k] = pairs[k].rho * Dot(pairs[k].s, q);
    for (std::size_t i = 0; i < q.size(); ++i) q[i] -= alphas[k] * pairs[k].y[i];
  }
  if (!pairs.empty()) {
    const double scale = 1 / (pairs.back().rho * Dot(pairs.back().y, pairs.back().y));
    for (double& v : q) v *= scale;
  }
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const double beta = alphas[k] - pairs[k].rho * Dot(pairs[k].y, q);
    for (std::size_t i = 0; i < q.size(); ++i) q[i] += beta * pairs[k].s[i];
  }
  for (double& v : q) v = -v;
  return q;
}

class Descent {
 public:
  Descent(const Differentiable& f, const Bounds& bounds, const LbfgsOptions& options)
      : f_(f), bounds_(bounds), options_(options) {}

  Minimum Run(Vector start) {
    for (std::size_t i = 0; i < start.size(); ++i) start[i] = Inside(i, start[i]);
    x_ = std::move(start);
    g_.assign(x_.size(), 0);
    value_ = Evaluate(x_, g_);
    while (std::isfinite(value_) && evaluations_ < options_.evaluations && Step()) {
    }
    return {std::move(x_), value_, evaluations_};
  }

 private:
  double Inside(std::size_t i, double x) const {
    return std::min(std::max(x, bounds_.low[i]), bounds_.high[i]);
  }

  double Evaluate(const Vector& x, Vector& gradient) {
    ++evaluations_;
    const double value = f_(x, gradient);
    for (const double component : gradient) {
      if (!std::isfinite(component)) return INFINITY;
    }
    return std::isnan(value) ? INFINITY : value;
  }

  /// The gradient without the coordinates that a bound holds; its largest component.
  double FreeGradient(Vector& free) const {
    double largest = 0;
    free = g_;
    for (std::size_t i = 0; i < x_.size(); ++i) {
      const bool held =
          (x_[i] <= bounds_.low[i] && g_[i] > 0) || (x_[i] >= bounds_.high[i] && g_[i] < 0);
      if (held) free[i] = 0;
      largest = std::max(largest, std::abs(free[i]));
    }
    return largest;
  }

  /// One iteration; false at the end.
  bool Step() {
    Vector free;
    const double largest = FreeGradient(free);
    if (largest <= options_.gradient) return false;
    Vector direction = Direction(pairs_, free);
    for (std::size_t i = 0; i < free.size(); ++i) {
      if (free[i] == 0) direction[i] = 0;
    }
    if (Dot(direction, free) >= 0) {  // rounding, or pairs of another face of the box
      pairs_.clear();
      direction = Direction(pairs_, free);
    }
    // Without pairs nothing is known of the scale: a first step is at most a tenth of the box.
    const double first = pairs_.empty() ? FirstStep(direction) : 1;
    if (Search(direction, free, first))
      return gain_ > options_.progress * std::max(1.0, std::abs(value_));
    if (pairs_.empty()) return false;
    pairs_.clear();
    return true;
  }

  double FirstStep(const Vector& direction) const {
    double step = 1;
    for (std::size_t i = 0; i < direction.size(); ++i) {
      const double width = std::min(bounds_.high[i] - bounds_.low[i], 10.0);
      if (direction[i] != 0 && width > 0)
        step = std::min(step, 0.1 * width / std::abs(direction[i]));
    }
    return step;
  }

  bool Search(const Vector& direction, const Vector& free, double step) {
    Vector x(x_.size()), g(x_.size());
    for (int k = 0; k < kHalvings && evaluations_ < options_.evaluations; ++k) {
      double slope = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = Inside(i, x_[i] + step * direction[i]);
        slope += free[i] * (x[i] - x_[i]);
      }
      if (x == x_) return false;
      const double value = Evaluate(x, g);
      if (value <= value_ + kArmijo * slope) {
        Take(std::move(x), std::move(g), value);
        return true;
      }
      // The minimum of the parabola through both values and the slope, not too near either end.
      const double curvature = value - value_ - slope;
      const double shrink = std::isfinite(value) ? -slope / (2 * curvature) : 0.1;
      step *= std::min(std::max(shrink, 0.1), 0.5);
    }
    return false;
  }

  void Take(Vector x, Vector g, double value) {
    Pair pair{Vector(x.size()), Vector(x.size())};
    for (std::size_t i = 0; i < x.size(); ++i) {
      pair.s[i] = x[i] - x_[i];
      pair.y[i] = g[i] - g_[i];
    }
    const double product = Dot(pair.s, pair.y);
    if (product > 1e-10 * Dot(pair.y, pair.y) && product > 0) {
      pair.rho = 1 / product;
      pairs_.push_back(std::move(pair));
      if (pairs_.size() > kPairs) pairs_.pop_front();
    }
    gain_ = value_ - value;
    x_ = std::move(x);
    g_ = std::move(g);
    value_ = value;
  }

  const Differentiable& f_;
  const Bounds& bounds_;
  const LbfgsOptions& options_;
  std::deque<Pair> pairs_;
  Vector x_, g_;
  double value_ = 0, gain_ = 0;
  int evaluations_ = 0;
};

}  // namespace

Minimum Minimize(const Differentiable& f, std::vector<double> start, const Bounds& bounds,
                 const LbfgsOptions& options) {
  return Descent(f, bounds, options).Run(std::move(start));
}

}  // namespace muster::tuner::gp
