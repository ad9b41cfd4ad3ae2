#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/base/result.h"

/// KLL (Karnin, Lang and Liberty, Optimal Quantile Approximation in Streams, FOCS 2016): the distribution of a stream of
/// numbers in a bounded number of them. Level h holds numbers that stand for 2^h of the stream each; a level that is full
/// gives every other one of its sorted numbers, from a random first or second, to the next. Levels have capacities k,
/// 2/3 k, 4/9 k ... from the highest down, at least 8, so all together hold some 3 k numbers.
///
/// Which half is kept is drawn from the seed: the same numbers in the same order make the same sketch. Sketches of one k
/// merge in any order, and keep the bound of the error. One thread at a time.

namespace muster::registry::monitor {

class QuantileSketch {
 public:
  static constexpr std::uint16_t kDefaultK = 200;

  explicit QuantileSketch(std::uint16_t k = kDefaultK, std::uint64_t seed = 0);

  /// `value` is finite.
  void Add(double value);
  /// Both have the same k.
  void Merge(const QuantileSketch& other);

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] std::uint16_t k() const { return k_; }
  /// Exact; 0 of no numbers.
  [[nodiscard]] double min() const { return min_; }
  [[nodiscard]] double max() const { return max_; }

  /// Numbers of the sketch, ascending, each with how many of the stream are at most so large; the last has count().
  struct Step {
    double value = 0;
    std::int64_t through = 0;
  };
  [[nodiscard]] std::vector<Step> Steps() const;
  /// The share of the stream at most `value`; NaN of no numbers.
  [[nodiscard]] double Rank(double value) const;
  /// A number whose rank is near q in [0, 1]; 0 and 1 are the exact ends. NaN of no numbers.
  [[nodiscard]] double Quantile(double q) const;
  /// By how much a rank is wrong at most, 99 times of 100; 0 while all numbers are held. As measured by Apache DataSketches
  /// (kll_helper::normalized_rank_error).
  [[nodiscard]] double rank_error() const;
  /// Numbers held, in all levels.
  [[nodiscard]] std::size_t size() const { return size_; }

  /// Binary: varints k, count, draws, levels; min and max, 8 bytes little-endian each; of each level a varint of its size
  /// and its numbers.
  [[nodiscard]] std::string Bytes() const;
  /// kCorrupt says what is wrong; whatever is accepted keeps the invariants of this class.
  static Result<QuantileSketch> FromBytes(std::string_view bytes, std::uint64_t seed = 0);

 private:
  /// Makes room: gives half of the lowest full level to the next.
  void Compact();
  void SetCapacity();

  std::uint16_t k_;
  Random random_;
  std::int64_t count_ = 0;
  double min_ = 0, max_ = 0;
  std::vector<std::vector<double>> levels_;  ///< all but the lowest are sorted
  std::vector<std::size_t> capacities_;
  std::size_t size_ = 0, capacity_ = 0;  ///< of all levels
};

}  // namespace muster::registry::monitor
