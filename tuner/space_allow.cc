// What constraints make of a space: which points it allows, and how others are brought there.
#include <algorithm>
#include <cmath>

#include "tuner/space.h"

namespace muster::tuner {
namespace {

constexpr double kMostListed = 100'000;
/// Radii of the search around a point, in the unit of a whole range, and draws at each.
constexpr int kRadii = 12, kDrawsPerRadius = 64;
constexpr int kHalvings = 30;
/// Of the draws that look for an example and for a repair: nobody's seed.
constexpr std::uint64_t kSeed = 0x6d75'7374'6572'2763;

}  // namespace

/// The number itself, or the choice's index; NaN of an inactive one.
double Space::PlainOf(std::size_t parameter, double x) const {
  if (std::isnan(x)) return x;
  if (scales_[parameter].choices == 0) return PlainNumber(parameter, SnapNumber(parameter, x));
  return std::clamp(std::floor(x), 0.0, static_cast<double>(scales_[parameter].choices - 1));
}

bool Space::Allows(const Point& point) const {
  if (constraints_.empty()) return true;
  Point plain = point;
  for (std::size_t i = 0; i < size(); ++i) {
    plain[i] = IsActive(i, plain) ? PlainOf(i, point[i]) : kInactive;
  }
  return std::ranges::all_of(constraints_, [&](const Constraint& c) { return c.Holds(plain); });
}

/// The constraints whose last parameter this is; those after it are not there yet.
bool Space::AllowsUpTo(std::size_t parameter, const Point& point) const {
  Point plain;
  for (const Constraint& constraint : constraints_) {
    const auto& mentions = constraint.mentions();
    // One that mentions nothing belongs to the first.
    if ((mentions.empty() ? 0 : mentions.back()) != parameter) continue;
    if (plain.empty()) {
      plain.resize(size(), kInactive);
      for (std::size_t i = 0; i <= parameter; ++i) plain[i] = PlainOf(i, point[i]);
    }
    if (!constraint.Holds(plain)) return false;
  }
  return true;
}

void Space::FindExample() {
  if (cardinality_ <= kMostListed) {
    const auto points = Enumerate(static_cast<std::size_t>(kMostListed));
    cardinality_ = static_cast<double>(points.size());
    if (!points.empty()) example_ = points.front();
    return;
  }
  const Random random(kSeed);
  for (int attempt = 0; attempt < kConstraintDraws && example_.empty(); ++attempt) {
    Point point = DrawFreely(random, static_cast<std::uint64_t>(attempt));
    if (Allows(point)) example_ = std::move(point);
  }
}

Point Space::Repair(Point point) const {
  point = Snap(std::move(point));
  if (constraints_.empty() || Allows(point)) return point;
  // First with the choices as they are, then with each changed by chance; closest first.
  for (const double change : {0.0, 0.25}) {
    for (int radius = kRadii; radius >= 0; --radius) {
      const double reach = std::ldexp(1.0, -radius);
      const Random random(kSeed, static_cast<std::uint64_t>(radius) + (change > 0 ? 100 : 1));
      for (int draw = 0; draw < kDrawsPerRadius; ++draw) {
        Point near = DrawNear(point, reach, change, random, static_cast<std::uint64_t>(draw));
        if (Allows(near)) return Nearest(point, std::move(near));
      }
    }
  }
  return example_.empty() ? point : Nearest(point, example_);
}

/// Each number within `reach` of its range's width; a choice is another by the chance `change`. A parameter that
/// becomes active is drawn anywhere.
Point Space::DrawNear(const Point& point, double reach, double change, const Random& random,
                      std::uint64_t draw) const {
  Point near(size(), kInactive);
  Random own = random;
  own.Seek(draw * 2 * size());
  for (std::size_t i = 0; i < size(); ++i) {
    const double which = own.Uniform(), step = own.Uniform(-reach, reach);
    if (!IsActive(i, near)) continue;
    const bool choice = scales_[i].choices > 0;
    if (std::isnan(point[i])) {
      near[i] = FromUnit(i, which);
    } else if (choice) {
      near[i] = which < change ? FromUnit(i, which / change) : point[i];
    } else {
      near[i] = FromUnit(i, ToUnit(i, point[i]) + step);
    }
  }
  return near;
}

/// The numbers of an allowed point drawn back towards `from` by halving, as far as it stays allowed.
Point Space::Nearest(const Point& from, Point allowed) const {
  Point low = from;  // beyond the border
  for (std::size_t i = 0; i < size(); ++i) {
    const bool number = scales_[i].choices == 0 && !std::isnan(allowed[i]) && !std::isnan(from[i]);
    if (!number) low[i] = allowed[i];
  }
  if (Allows(low)) return Snap(std::move(low));
  Point high = allowed;
  for (int halving = 0; halving < kHalvings; ++halving) {
    Point middle = low;
    for (std::size_t i = 0; i < size(); ++i) middle[i] = low[i] / 2 + high[i] / 2;
    (Allows(middle) ? high : low) = std::move(middle);
  }
  return Snap(std::move(high));
}

}  // namespace muster::tuner
