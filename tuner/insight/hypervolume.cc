// The sweep goes up the last objective, z. The points passed so far, seen along z, form a staircase in (x, y);
// each of its points holds the area that it alone dominates, cut into boxes side by side:
//
//   y |      .---- left neighbour
//     |      |  | <- boxes of q, lower and lower: below them were steps that q has covered
//     |      |  |__
//     |      q_____|____.
//     |            right neighbour
//     +----------------------- x
//
// A box is opened at the z of the point that made it and closed at the z of the point that takes it away, in
// part or whole; closed boxes add up to the contribution of their owner. Every box is closed once.

#include "tuner/insight/hypervolume.h"

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <map>
#include <numeric>

#include "runtime/base/check.h"

namespace muster::tuner {
namespace {

using Corner = std::array<double, 3>;

struct Box {
  double x_low, x_high;  ///< its lower y is its owner's
  double y_high;
  double z_low;  ///< since when
};

struct Step {
  std::size_t point;
  double y;
  std::deque<Box> boxes;  ///< by x, ascending; y_high descends
};

class Sweep {
 public:
  Sweep(std::size_t points, const Corner& reference)
      : reference_(reference), contributions_(points, 0), twin_(points, false) {}

  void Add(std::size_t point, const Corner& at) {
    const auto [x, y, z] = at;
    auto right = steps_.lower_bound(x);
    const bool level = right != steps_.end() && right->first == x;
    auto left = right == steps_.begin() ? steps_.end() : std::prev(right);
    if ((level && right->second.y <= y) || (left != steps_.end() && left->second.y <= y)) {
      if (level && right->second.y == y && last_ == at) twin_[right->second.point] = true;
      return;
    }
    last_ = at;
    Step step{point, y, {}};
    double x_low = x, y_high = left == steps_.end() ? reference_[1] : left->second.y;
    double area = 0;
    const auto open = [&](double x_high) {
      area += (x_high - x_low) * (y_high - y);
      step.boxes.push_back({x_low, x_high, y_high, z});
    };
    while (right != steps_.end() && right->second.y >= y) {
      if (right->first > x_low) open(right->first);
      x_low = right->first;
      y_high = right->second.y;
      CloseAll(right->second, z);
      right = steps_.erase(right);
    }
    open(right == steps_.end() ? reference_[0] : right->first);
    if (left != steps_.end()) CutRight(left->second, x, z);
    if (right != steps_.end()) CutTop(right->second, y, z);
    steps_.emplace_hint(right, x, std::move(step));
    volume_ += area * (reference_[2] - z);
  }

  void Finish() {
    for (auto& [x, step] : steps_) CloseAll(step, reference_[2]);
    for (std::size_t i = 0; i < twin_.size(); ++i) {
      if (twin_[i]) contributions_[i] = 0;
    }
  }

  [[nodiscard]] double volume() const { return volume_; }
  [[nodiscard]] std::vector<double>& contributions() { return contributions_; }

 private:
  void Close(const Step& step, const Box& box, double z) {
    contributions_[step.point] +=
        (box.x_high - box.x_low) * (box.y_high - step.y) * (z - box.z_low);
  }
  void CloseAll(Step& step, double z) {
    for (const Box& box : step.boxes) Close(step, box, z);
    step.boxes.clear();
  }
  /// Takes away what lies beyond `x`.
  void CutRight(Step& step, double x, double z) {
    while (!step.boxes.empty() && step.boxes.back().x_high > x) {
      const Box box = step.boxes.back();
      step.boxes.pop_back();
      Close(step, box, z);
      if (box.x_low < x) {
        step.boxes.push_back({box.x_low, x, box.y_high, z});
        break;
      }
    }
  }
  /// Takes away what lies above `y`.
  void CutTop(Step& step, double y, double z) {
    if (step.boxes.empty() || step.boxes.front().y_high <= y) return;
    const double x_low = step.boxes.front().x_low;
    double x_high = x_low;
    while (!step.boxes.empty() && step.boxes.front().y_high > y) {
      Close(step, step.boxes.front(), z);
      x_high = step.boxes.front().x_high;
      step.boxes.pop_front();
    }
    step.boxes.push_front({x_low, x_high, y, z});
  }

  Corner reference_;
  std::map<double, Step> steps_;  ///< by x; y descends
  std::vector<double> contributions_;
  std::vector<bool> twin_;
  Corner last_{};
  double volume_ = 0;
};

/// Fewer objectives are three of which the first ones are all 0 and the reference 1.
Corner CornerOf(const Losses& losses, double missing) {
  Corner corner{missing, missing, missing};
  std::ranges::copy(losses, corner.end() - static_cast<std::ptrdiff_t>(losses.size()));
  return corner;
}

Sweep Swept(std::span<const Losses> points, const Losses& reference) {
  MUSTER_CHECK(!reference.empty() && reference.size() <= 3, "one to three objectives");
  const Corner top = CornerOf(reference, 1);
  std::vector<std::pair<Corner, std::size_t>> order;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Corner corner = CornerOf(points[i], 0);
    if (corner[0] < top[0] && corner[1] < top[1] && corner[2] < top[2])
      order.emplace_back(corner, i);
  }
  std::ranges::sort(order, {}, [](const auto& entry) {
    const auto& [corner, point] = entry;
    return std::tuple(corner[2], corner[0], corner[1], point);
  });
  Sweep sweep(points.size(), top);
  for (const auto& [corner, point] : order) sweep.Add(point, corner);
  sweep.Finish();
  return sweep;
}

}  // namespace

double Hypervolume(std::span<const Losses> points, const Losses& reference) {
  return Swept(points, reference).volume();
}

std::vector<double> HypervolumeContributions(std::span<const Losses> points,
                                             const Losses& reference) {
  return std::move(Swept(points, reference).contributions());
}

}  // namespace muster::tuner
