#pragma once

#include <span>
#include <vector>

#include "tracker/series/point.h"

/// Runs of points in history order, put together. Pure; any thread.

namespace muster::tracker {

/// Sorts into history order; of points that are the same one stays, with the youngest attempt of all.
void SortPoints(std::vector<Point>& points);

/// Adds `more` to `points`, both as SortPoints leaves them, and keeps them so.
void MergePoints(std::vector<Point>& points, std::span<const Point> more);

/// The one that is the same as `point`, in points as SortPoints leaves them; null.
const Point* FindPoint(std::span<const Point> points, const Point& point);

/// How many points to put in each chunk: `points` cut into as few parts of at most `most` as will do, of
/// about the same size.
std::vector<std::size_t> PartsOf(std::size_t points, std::size_t most);

}  // namespace muster::tracker
