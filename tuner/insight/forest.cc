#include "tuner/insight/forest.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/check.h"

namespace muster::tuner {
namespace {

constexpr double kBelowAll = -1e308;

double Ordered(double x) { return std::isnan(x) ? kBelowAll : x; }

/// The sum of squares about their mean of `count` values with this sum, less the sum of their squares, which no split
/// changes.
double Error(double sum, double count) { return -sum * sum / count; }

/// A choice's bin: its index, or the last of an inactive one.
std::size_t BinOf(double x, std::size_t choices) {
  return std::isnan(x) ? choices : static_cast<std::size_t>(x);
}

}  // namespace

struct Tree::Split {
  std::size_t parameter = 0;
  double threshold = 0;
  std::vector<bool> left_choices;
  double error = 0;
  bool found = false;
};

namespace {

/// Calls `consider(count, sum)` of the losses less `centre` up to each place of `order` after which the key changes.
template <class Key, class Consider>
void Sweep(const std::vector<std::size_t>& order, const Evidence& seen, double centre,
           const Key& key, const Consider& consider) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    sum += seen.losses[order[i]] - centre;
    if (key(order[i]) < key(order[i + 1])) consider(i + 1, sum);
  }
}

/// Places of a choice's bins in the order of their mean losses; those that were not met come last.
std::vector<double> BinOrder(const std::vector<std::size_t>& rows, const Evidence& seen,
                             std::size_t parameter, std::size_t choices) {
  std::vector<double> sums(choices + 1), counts(choices + 1), places(choices + 1);
  for (const std::size_t row : rows) {
    const std::size_t bin = BinOf(seen.points[row][parameter], choices);
    sums[bin] += seen.losses[row];
    counts[bin] += 1;
  }
  std::vector<std::size_t> bins(choices + 1);
  std::iota(bins.begin(), bins.end(), 0);
  std::ranges::stable_sort(bins, [&](std::size_t a, std::size_t b) {
    if (counts[a] == 0 || counts[b] == 0) return counts[a] > counts[b];
    return sums[a] / counts[a] < sums[b] / counts[b];
  });
  for (std::size_t i = 0; i < bins.size(); ++i) places[bins[i]] = static_cast<double>(i);
  return places;
}

/// `count` of the numbers below `from`, without repetition.
std::vector<std::size_t> Choose(std::size_t from, std::size_t count, Random& random) {
  std::vector<std::size_t> all(from);
  std::iota(all.begin(), all.end(), 0);
  for (std::size_t i = 0; i < count; ++i) std::swap(all[i], all[i + random.Below(from - i)]);
  all.resize(count);
  return all;
}

}  // namespace

Tree::Split Tree::BestSplit(const Space& space, const Evidence& seen,
                            std::span<const std::size_t> rows, const ForestOptions& options,
                            Random& random) const {
  Split best;
  double total = 0;
  for (const std::size_t row : rows) total += seen.losses[row];
  const auto count = static_cast<double>(rows.size());
  const double centre = total / count;  // large values that differ little would lose their digits
  const auto wanted =
      static_cast<std::size_t>(std::ceil(options.features * static_cast<double>(space.size())));
  std::vector<std::size_t> order(rows.begin(), rows.end());
  for (const std::size_t p :
       Choose(space.size(), std::clamp<std::size_t>(wanted, 1, space.size()), random)) {
    const std::size_t choices = space.scales()[p].choices;
    const auto places = choices > 0 ? BinOrder(order, seen, p, choices) : std::vector<double>{};
    const auto key = [&](std::size_t row) {
      const double x = seen.points[row][p];
      return choices > 0 ? places[BinOf(x, choices)] : Ordered(x);
    };
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
      return key(a) != key(b) ? key(a) < key(b) : a < b;
    });
    Sweep(order, seen, centre, key, [&](std::size_t left, double sum) {
      if (left < options.leaf || order.size() - left < options.leaf) return;
      const auto on_left = static_cast<double>(left);
      const double error = Error(sum, on_left) + Error(-sum, count - on_left);
      if (!(error < best.error)) return;
      best = {.parameter = p, .error = error, .found = true};
      if (choices == 0) {
        best.threshold = key(order[left - 1]) / 2 + key(order[left]) / 2;
        return;
      }
      best.left_choices.resize(choices + 1);
      for (std::size_t bin = 0; bin <= choices; ++bin) {
        best.left_choices[bin] = places[bin] <= key(order[left - 1]);
      }
    });
  }
  return best;
}

bool Tree::GoesLeft(const Node& node, const Point& point) const {
  const double x = point[node.parameter];
  if (node.left_choices.empty()) return Ordered(x) <= node.threshold;
  return node.left_choices[BinOf(x, node.left_choices.size() - 1)];
}

Tree::Tree(const Space& space, const Evidence& seen, std::vector<std::size_t> rows,
           const ForestOptions& options, Random random) {
  MUSTER_CHECK(!rows.empty(), "a tree grows from trials");
  struct Task {
    std::size_t node, begin, end;
  };
  nodes_.emplace_back();
  for (std::vector<Task> tasks{{0, 0, rows.size()}}; !tasks.empty();) {
    const Task task = tasks.back();
    tasks.pop_back();
    const auto own = std::span(rows).subspan(task.begin, task.end - task.begin);
    double sum = 0;
    for (const std::size_t row : own) sum += seen.losses[row];
    nodes_[task.node].mean = sum / static_cast<double>(own.size());
    if (own.size() < 2 * options.leaf || space.size() == 0) continue;
    Split split = BestSplit(space, seen, own, options, random);
    if (!split.found) continue;
    Node& node = nodes_[task.node];
    node.parameter = split.parameter;
    node.threshold = split.threshold;
    node.left_choices = std::move(split.left_choices);
    const auto middle = std::stable_partition(
        own.begin(), own.end(), [&](std::size_t row) { return GoesLeft(node, seen.points[row]); });
    const auto left = static_cast<std::size_t>(middle - own.begin());
    // Neighbouring values may have no number between them.
    if (left == 0 || left == own.size()) continue;
    node.left = nodes_.size();
    node.right = nodes_.size() + 1;
    tasks.push_back({node.left, task.begin, task.begin + left});
    tasks.push_back({node.right, task.begin + left, task.end});
    nodes_.resize(nodes_.size() + 2);
  }
}

double Tree::Predict(const Point& point) const {
  std::size_t at = 0;
  while (nodes_[at].right != 0) {
    at = GoesLeft(nodes_[at], point) ? nodes_[at].left : nodes_[at].right;
  }
  return nodes_[at].mean;
}

Forest::Forest(const Space& space, const Evidence& seen, const ForestOptions& options) {
  for (int tree = 0; tree < options.trees; ++tree) {
    Random random(options.seed, static_cast<std::uint64_t>(tree));
    std::vector<std::size_t> rows(seen.losses.size());
    std::iota(rows.begin(), rows.end(), 0);
    if (options.bootstrap) {
      for (std::size_t& row : rows) row = random.Below(rows.size());
    }
    trees_.emplace_back(space, seen, std::move(rows), options, random);
  }
}

double Forest::Predict(const Point& point) const {
  double sum = 0;
  for (const Tree& tree : trees_) sum += tree.Predict(point);
  return sum / static_cast<double>(trees_.size());
}

}  // namespace muster::tuner
