#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// What a checkpoint holds, and the port to where checkpoints are kept. Adapter: trainer/files.

namespace muster::trainer {

/// Row-major, little-endian.
struct StoredTensor {
  std::string name;
  std::string dtype;  ///< as the Open Inference Protocol spells it: "FP32", "INT64", ...
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
  friend bool operator==(const StoredTensor&, const StoredTensor&) = default;
};

/// How far the loop has come: enough to go on as if it had never stopped, together with the tensors.
/// Row order and random numbers are functions of (seed, epoch, batch) and are not stored.
struct Progress {
  std::int64_t step = 0;   ///< optimizer steps taken
  std::int64_t epoch = 0;  ///< epochs completed
  std::int64_t batch = 0;  ///< batches of the next epoch completed
  std::int64_t seed = 0;
  std::int64_t batch_size = 0;
  std::int64_t train_rows = 0;
  double loss_sum = 0;  ///< over the batches of the next epoch so far
  double seconds = 0;   ///< spent in training and validation, over all attempts
  std::optional<double> best;
  std::map<std::string, double> metrics;  ///< of the last completed epoch
  friend bool operator==(const Progress&, const Progress&) = default;
};

std::string EncodeProgress(const Progress& progress);
Result<Progress> DecodeProgress(std::string_view json);

struct Checkpoint {
  Progress progress;
  std::map<std::string, std::string> metadata;  ///< "params": JSON, "program"
  std::vector<StoredTensor> tensors;            ///< "model.<name>", "optimizer.<name>"
};

/// One writer (rank 0).
class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;
  /// Publishes; answers the path. `best` marks it as the best so far. On an error every checkpoint that was
  /// there is still there and still the latest: kResource for a full disk, kFenced when a newer attempt
  /// has come, kIo; kUnavailable when another attempt blocks it for long.
  virtual Result<std::string> Save(const Checkpoint& checkpoint, bool best) = 0;
  /// The newest that is whole; nothing when there is none. Damaged ones are passed over with a warning;
  /// one that cannot be read now is kIo.
  virtual Result<std::optional<Checkpoint>> LoadLatest() = 0;
  /// Path of the best; empty when none was marked.
  [[nodiscard]] virtual std::string best_path() const = 0;
};

}  // namespace muster::trainer
