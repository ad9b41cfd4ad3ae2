#pragma once

#include <cstdint>
#include <vector>

/// Which row of a dataset is trained on when: a pure function of (seed, epoch, place), so that it does not
/// depend on the number of ranks, a resumed trial goes on where it stopped, and nothing has to be stored.

namespace muster::trainer {

/// A shuffle of the rows [0, rows) for one epoch.
struct Epoch {
  std::uint64_t seed = 0;
  std::uint64_t number = 0;
  std::uint64_t rows = 0;  ///< 1 to 2^63
  bool shuffled = true;    ///< false: row i stands at place i (validation)
};

/// The row at `place` < rows of the epoch; every row stands at exactly one place. A Feistel network over
/// the smallest even power of two that holds all rows (Luby and Rackoff 1988), with Philox as its round
/// function, walked until it falls below `rows` (Black and Rogaway, "Ciphers with Arbitrary Finite
/// Domains", 2002).
std::uint64_t RowAt(const Epoch& epoch, std::uint64_t place);

struct RankInfo {
  std::int64_t rank = 0;
  std::int64_t world_size = 1;
  friend bool operator==(const RankInfo&, const RankInfo&) = default;
};

/// How many global batches of `batch_size` >= 1 rows an epoch has; the last one may be smaller.
std::uint64_t BatchCount(const Epoch& epoch, std::uint64_t batch_size);

/// The rows of global batch `batch` < BatchCount.
std::vector<std::uint64_t> BatchRows(const Epoch& epoch, std::uint64_t batch_size,
                                     std::uint64_t batch);

/// What one rank computes of a global batch: its places rank, rank + W, rank + 2W, ... Empty when the
/// batch has too few rows.
std::vector<std::uint64_t> ShareOf(const std::vector<std::uint64_t>& batch_rows, RankInfo rank);

}  // namespace muster::trainer
