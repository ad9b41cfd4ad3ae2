#include "tuner/gp/warp.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/math.h"
#include "tuner/gp/likelihood.h"

namespace muster::tuner::gp {
namespace {

constexpr double kVariance = 0.75 * 0.75;  ///< of log a and log b, which are normal a priori
constexpr double kMost = 2.3;              ///< of their size
constexpr double kInset = 1e-6;

}  // namespace

double InputWarp::At(double u) const {
  if (u <= 0 || u >= 1) return u;
  return -math::Expm1(b * math::Log1p(-math::Exp(a * math::Log(u))));
}

double InputWarp::Inverse(double w) const {
  if (w <= 0 || w >= 1) return w;
  return math::Exp(math::Log(-math::Expm1(math::Log1p(-w) / b)) / a);
}

InputWarp::Slopes InputWarp::SlopesAt(double u) const {
  u = std::clamp(u, kInset, 1 - kInset);
  const double log_u = math::Log(u), power = math::Exp(a * log_u);
  const double log_rest = math::Log1p(-power);
  const double outer = b * math::Exp((b - 1) * log_rest);
  return {.over_u = outer * a * power / u,
          .over_a = outer * power * log_u * a,
          .over_b = -math::Exp(b * log_rest) * log_rest * b};
}

namespace {

/// -log p as a function of Flat() and of log a and log b of each number, with their normal prior.
class WarpedPosterior {
 public:
  WarpedPosterior(const Rows& rows, std::span<const double> targets)
      : rows_(rows), warped_(rows), targets_(targets), own_(rows.features() + 4) {}

  [[nodiscard]] std::vector<InputWarp> WarpsOf(std::span<const double> x) const {
    std::vector<InputWarp> warps(rows_.numbers);
    for (std::size_t k = 0; k < warps.size(); ++k)
      warps[k] = {math::Exp(x[own_ + 2 * k]), math::Exp(x[own_ + 2 * k + 1])};
    return warps;
  }

  double operator()(std::span<const double> x, std::span<double> gradient) {
    const auto warps = WarpsOf(x);
    for (std::size_t k = 0; k < warps.size(); ++k) {
      for (std::size_t i = 0; i < rows_.size(); ++i)
        warped_.columns[k][i] = warps[k].At(rows_.columns[k][i] + 0.5) - 0.5;
    }
    double value = NegativeLogPosterior(warped_, targets_, Hyperparameters::FromFlat(x.first(own_)),
                                        gradient.first(own_), &over_rows_);
    if (!std::isfinite(value)) return value;
    for (std::size_t k = 0; k < warps.size(); ++k) {
      const std::size_t at = own_ + 2 * k;
      gradient[at] = x[at] / kVariance;
      gradient[at + 1] = x[at + 1] / kVariance;
      value += 0.5 * (x[at] * x[at] + x[at + 1] * x[at + 1]) / kVariance;
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        const double u = rows_.columns[k][i] + 0.5;
        if (u <= 0 || u >= 1) continue;
        const auto slopes = warps[k].SlopesAt(u);
        gradient[at] += over_rows_[k][i] * slopes.over_a;
        gradient[at + 1] += over_rows_[k][i] * slopes.over_b;
      }
    }
    return value;
  }

 private:
  const Rows& rows_;
  Rows warped_;
  std::span<const double> targets_;
  std::size_t own_;
  std::vector<std::vector<double>> over_rows_;
};

}  // namespace

std::optional<WarpedFit> FitWarped(const Rows& rows, std::span<const double> targets,
                                   const Hyperparameters& plain, int evaluations) {
  std::vector<double> flat = plain.Flat();
  const std::size_t own = flat.size();
  Bounds bounds = FitBounds(rows.features());
  flat.resize(own + 2 * rows.numbers, 0);
  bounds.low.resize(flat.size(), -kMost);
  bounds.high.resize(flat.size(), kMost);
  WarpedPosterior posterior(rows, targets);
  std::vector<double> gradient(flat.size());
  const double before = posterior(flat, gradient);
  const double wanted =
      static_cast<double>(rows.numbers) * math::Log(static_cast<double>(rows.size()));
  double hoped = 0;  // were the prior's the only curvature
  for (std::size_t i = own; i < flat.size(); ++i)
    hoped += 0.5 * kVariance * gradient[i] * gradient[i];
  if (!(hoped > wanted)) return std::nullopt;
  const Minimum mode = Minimize([&](auto x, auto g) { return posterior(x, g); }, flat, bounds,
                                {.evaluations = evaluations, .gradient = 1e-2, .progress = 1e-5});
  if (!(before - mode.f > wanted)) return std::nullopt;
  return WarpedFit{Hyperparameters::FromFlat(std::span(mode.x).first(own)),
                   posterior.WarpsOf(mode.x)};
}

}  // namespace muster::tuner::gp
