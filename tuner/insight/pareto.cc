#include "tuner/insight/pareto.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace muster::tuner {
namespace {

/// Of the points of one front so far, seen along the first objective: those that no other dominates in the
/// other two. The second objective ascends, the third descends.
class Staircase {
 public:
  [[nodiscard]] bool Covers(double y, double z) const {
    const auto after = steps_.upper_bound(y);
    return after != steps_.begin() && std::prev(after)->second <= z;
  }
  void Add(double y, double z) {
    if (Covers(y, z)) return;
    auto covered = steps_.lower_bound(y);
    while (covered != steps_.end() && covered->second >= z) covered = steps_.erase(covered);
    steps_[y] = z;
  }

 private:
  std::map<double, double> steps_;
};

/// A front of more than three objectives: its points.
class Heap {
 public:
  [[nodiscard]] bool Covers(const Losses& point) const {
    return std::ranges::any_of(points_,
                               [&](const Losses* other) { return Dominates(*other, point); });
  }
  void Add(const Losses& point) { points_.push_back(&point); }

 private:
  std::vector<const Losses*> points_;
};

double At(const Losses& point, std::size_t objective) {
  return objective < point.size() ? point[objective] : 0;
}

/// Goes through the points in lexicographic order, in which no point is dominated by a later one, and puts each
/// into the first front that does not cover it. A front that covers a point has all before it do so.
template <class Front, class Covers, class Add>
std::vector<std::size_t> Ranks(std::span<const Losses> points, Covers covers, Add add) {
  std::vector<std::size_t> order(points.size()), ranks(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return points[a] < points[b]; });
  std::vector<Front> fronts;
  for (std::size_t k = 0; k < order.size(); ++k) {
    const Losses& point = points[order[k]];
    if (k > 0 && point == points[order[k - 1]]) {
      ranks[order[k]] = ranks[order[k - 1]];
      continue;
    }
    const auto front = std::ranges::partition_point(
        fronts, [&](const Front& earlier) { return covers(earlier, point); });
    ranks[order[k]] = static_cast<std::size_t>(front - fronts.begin());
    add(front == fronts.end() ? fronts.emplace_back() : *front, point);
  }
  return ranks;
}

}  // namespace

bool Dominates(const Losses& a, const Losses& b) {
  bool better = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    better = better || a[i] < b[i];
  }
  return better;
}

std::vector<std::size_t> NonDominatedRanks(std::span<const Losses> points) {
  if (points.empty()) return {};
  if (points[0].size() <= 3) {
    return Ranks<Staircase>(
        points,
        [](const Staircase& front, const Losses& p) { return front.Covers(At(p, 1), At(p, 2)); },
        [](Staircase& front, const Losses& p) { front.Add(At(p, 1), At(p, 2)); });
  }
  return Ranks<Heap>(
      points, [](const Heap& front, const Losses& p) { return front.Covers(p); },
      [](Heap& front, const Losses& p) { front.Add(p); });
}

std::vector<std::size_t> NonDominatedRanks(std::span<const Losses> points,
                                           std::span<const double> violations) {
  std::vector<Losses> feasible, broken;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (violations[i] > 0) {
      broken.push_back({violations[i]});
    } else {
      feasible.push_back(points[i]);
    }
  }
  const auto good = NonDominatedRanks(feasible), bad = NonDominatedRanks(broken);
  const std::size_t fronts = good.empty() ? 0 : *std::ranges::max_element(good) + 1;
  std::vector<std::size_t> ranks;
  std::size_t next_good = 0, next_bad = 0;
  for (const double violation : violations) {
    ranks.push_back(violation > 0 ? fronts + bad[next_bad++] : good[next_good++]);
  }
  return ranks;
}

std::vector<double> CrowdingDistances(std::span<const Losses> front) {
  std::vector<double> distances(front.size(), 0);
  if (front.empty()) return distances;
  std::vector<std::size_t> order(front.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t j = 0; j < front[0].size(); ++j) {
    std::ranges::stable_sort(
        order, [&](std::size_t a, std::size_t b) { return front[a][j] < front[b][j]; });
    const double low = front[order.front()][j], high = front[order.back()][j];
    distances[order.front()] = distances[order.back()] = std::numeric_limits<double>::infinity();
    const double range = high - low;
    if (!(range > 0) || !std::isfinite(range)) continue;
    for (std::size_t k = 1; k + 1 < order.size(); ++k) {
      distances[order[k]] += (front[order[k + 1]][j] - front[order[k - 1]][j]) / range;
    }
  }
  return distances;
}

}  // namespace muster::tuner
