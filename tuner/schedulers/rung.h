#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace muster::tuner {

/// Trials in the order of a loss, smallest first; ties by number. A treap whose priorities are a hash of the
/// trial: its shape is a function of what it holds, whatever the order it came in. Everything is O(log n)
/// expected. NaN is no loss (history.h makes it +infinity). Copies are independent.
class Rung {
 public:
  struct Entry {
    double loss = 0;
    std::int64_t trial = 0;

    friend bool operator<(const Entry& a, const Entry& b) {
      return a.loss < b.loss || (a.loss == b.loss && a.trial < b.trial);
    }
  };

  /// An entry that is in it already is a bug (MUSTER_CHECK).
  void Insert(const Entry& entry);
  /// False when it was not in it.
  bool Erase(const Entry& entry);
  /// How many entries stand before this one, which need not be in it.
  [[nodiscard]] std::size_t Rank(const Entry& entry) const;
  /// The k-th, from 0; k < size().
  [[nodiscard]] Entry At(std::size_t k) const;
  [[nodiscard]] std::size_t size() const { return SizeOf(root_); }
  [[nodiscard]] bool empty() const { return root_ == kNone; }
  /// Nodes looked at since it was made: what it cost.
  [[nodiscard]] std::uint64_t visits() const { return visits_; }

 private:
  using Index = std::uint32_t;
  static constexpr Index kNone = ~Index{0};
  struct Node {
    Entry entry;
    Index left = kNone, right = kNone;
    std::uint32_t size = 1;
  };

  [[nodiscard]] std::size_t SizeOf(Index node) const {
    return node == kNone ? 0 : nodes_[node].size;
  }
  void Count(Index node);
  /// [entries before `entry`, the rest]
  std::pair<Index, Index> Split(Index node, const Entry& entry);
  Index Join(Index left, Index right);

  std::vector<Node> nodes_;
  std::vector<Index> free_;  ///< nodes that were erased
  Index root_ = kNone;
  mutable std::uint64_t visits_ = 0;
};

}  // namespace muster::tuner
