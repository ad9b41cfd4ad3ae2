#include "tuner/schedulers/perturb.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/math.h"

namespace muster::tuner {
namespace {

constexpr std::uint64_t kDrawsPerParameter = 8;

double Neighbour(double choice, std::size_t choices, bool up) {
  const double last = static_cast<double>(choices) - 1;
  if (last == 0) return choice;
  const double next = up ? choice + 1 : choice - 1;
  return next < 0 ? 1 : next > last ? last - 1 : next;
}

double Moved(const Space& space, std::size_t parameter, double x, double factor) {
  const auto& domain = std::get<NumericDomain>(space.parameters()[parameter].domain);
  const Scale& scale = space.scales()[parameter];
  const auto snapped = [&](double at) {
    return space.FromUnit(parameter, space.ToUnit(parameter, at));
  };
  const double moved =
      snapped(domain.log ? x + math::Log(factor) : x + (factor - 1) * (scale.high - scale.low));
  if (domain.step == 0 || moved != snapped(x)) return moved;
  const double step = factor > 1 ? domain.step : -domain.step;
  if (!domain.log) return snapped(x + step);
  return snapped(math::Log(std::max(domain.low, math::Exp(x) + step)));
}

}  // namespace

Point Perturb(const Space& space, const Point& point, const PerturbOptions& options,
              const Random& random) {
  Point next(space.size(), kInactive);
  for (std::size_t i = 0; i < space.size(); ++i) {
    if (!space.IsActive(i, next)) continue;
    Random own = random;
    own.Seek(random.position() + i * kDrawsPerParameter);
    const bool resample = own.Chance(options.resample);
    const bool up = own.Chance(0.5);
    const double drawn = space.FromUnit(i, own.Uniform());
    const auto changed = [&](const Condition& when) {
      return next[when.parent] != point[when.parent];
    };
    if (resample || std::isnan(point[i]) ||
        std::ranges::any_of(space.parameters()[i].when, changed)) {
      next[i] = drawn;
    } else if (space.scales()[i].choices > 0) {
      next[i] = Neighbour(point[i], space.scales()[i].choices, up);
    } else {
      next[i] = Moved(space, i, point[i], options.factor[up ? 1 : 0]);
    }
  }
  return space.Snap(std::move(next));
}

}  // namespace muster::tuner
