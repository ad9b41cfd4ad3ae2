#include "tuner/schedulers/rung.h"

#include <utility>

#include "runtime/base/check.h"

namespace muster::tuner {
namespace {

/// The finaliser of splitmix64: consecutive numbers become unrelated priorities.
std::uint64_t Priority(std::int64_t trial) {
  std::uint64_t x = static_cast<std::uint64_t>(trial) + 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace

void Rung::Count(Index node) {
  Node& at = nodes_[node];
  at.size = static_cast<std::uint32_t>(1 + SizeOf(at.left) + SizeOf(at.right));
}

std::pair<Rung::Index, Rung::Index> Rung::Split(Index node, const Entry& entry) {
  if (node == kNone) return {kNone, kNone};
  ++visits_;
  std::pair<Index, Index> halves;
  if (nodes_[node].entry < entry) {
    const auto [before, rest] = Split(nodes_[node].right, entry);
    nodes_[node].right = before;
    halves = {node, rest};
  } else {
    const auto [before, rest] = Split(nodes_[node].left, entry);
    nodes_[node].left = rest;
    halves = {before, node};
  }
  Count(node);
  return halves;
}

Rung::Index Rung::Join(Index left, Index right) {
  if (left == kNone) return right;
  if (right == kNone) return left;
  ++visits_;
  Index top = left;
  if (Priority(nodes_[left].entry.trial) > Priority(nodes_[right].entry.trial)) {
    nodes_[left].right = Join(nodes_[left].right, right);
  } else {
    nodes_[right].left = Join(left, nodes_[right].left);
    top = right;
  }
  Count(top);
  return top;
}

void Rung::Insert(const Entry& entry) {
  const std::size_t rank = Rank(entry);
  MUSTER_CHECK(rank == size() || entry < At(rank), "a rung holds a trial once");
  Index node = static_cast<Index>(nodes_.size());
  if (free_.empty()) {
    nodes_.push_back({entry});
  } else {
    node = free_.back();
    free_.pop_back();
    nodes_[node] = {entry};
  }
  const auto [before, rest] = Split(root_, entry);
  root_ = Join(Join(before, node), rest);
}

bool Rung::Erase(const Entry& entry) {
  const std::size_t rank = Rank(entry);
  if (rank >= size() || entry < At(rank)) return false;
  const auto [before, rest] = Split(root_, entry);
  const auto [own, after] = Split(rest, {entry.loss, entry.trial + 1});
  free_.push_back(own);
  root_ = Join(before, after);
  return true;
}

std::size_t Rung::Rank(const Entry& entry) const {
  std::size_t rank = 0;
  for (Index node = root_; node != kNone;) {
    ++visits_;
    const Node& at = nodes_[node];
    if (at.entry < entry) {
      rank += SizeOf(at.left) + 1;
      node = at.right;
    } else {
      node = at.left;
    }
  }
  return rank;
}

Rung::Entry Rung::At(std::size_t k) const {
  MUSTER_CHECK(k < size(), "a rung has no such place");
  for (Index node = root_;;) {
    ++visits_;
    const Node& at = nodes_[node];
    const std::size_t left = SizeOf(at.left);
    if (k == left) return at.entry;
    if (k < left) {
      node = at.left;
    } else {
      k -= left + 1;
      node = at.right;
    }
  }
}

}  // namespace muster::tuner
