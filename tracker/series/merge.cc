#include "tracker/series/merge.h"

#include <algorithm>

namespace muster::tracker {

namespace {

void DropRepeats(std::vector<Point>& points) {
  std::size_t kept = 0;
  for (std::size_t i = 1; i < points.size(); ++i) {
    if (Same(points[kept], points[i])) {
      points[kept].attempt = std::max(points[kept].attempt, points[i].attempt);
    } else {
      points[++kept] = points[i];
    }
  }
  if (!points.empty()) points.resize(kept + 1);
}

}  // namespace

void SortPoints(std::vector<Point>& points) {
  if (!std::ranges::is_sorted(points, Before)) std::ranges::sort(points, Before);
  DropRepeats(points);
}

void MergePoints(std::vector<Point>& points, std::span<const Point> more) {
  const auto middle = static_cast<std::ptrdiff_t>(points.size());
  const bool after = points.empty() || more.empty() || Before(points.back(), more.front());
  points.insert(points.end(), more.begin(), more.end());
  if (after) return;
  std::inplace_merge(points.begin(), points.begin() + middle, points.end(), Before);
  DropRepeats(points);
}

const Point* FindPoint(std::span<const Point> points, const Point& point) {
  const auto found = std::ranges::lower_bound(points, point, Before);
  return found != points.end() && Same(*found, point) ? &*found : nullptr;
}

std::vector<std::size_t> PartsOf(std::size_t points, std::size_t most) {
  const std::size_t count = (points + most - 1) / most;
  std::vector<std::size_t> parts;
  parts.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    parts.push_back(points * (i + 1) / count - points * i / count);
  return parts;
}

}  // namespace muster::tracker
