#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
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

/// Tensors are named "<group>.<name>": "model.", "optimizer.", and whatever else a loop saves ("ema.", "scaler.").
/// Each is whole, whoever held its parts (shard.h), so that any number of ranks can load it.
struct Checkpoint {
  Progress progress;
  std::map<std::string, std::string> metadata;  ///< "params": JSON, "program"
  std::vector<StoredTensor> tensors;
};

/// Whether it has tensors of a group ("ema"). One that an older program made may lack a group: the caller decides
/// whether it goes on without.
bool HasGroup(const Checkpoint& checkpoint, std::string_view group);
/// "model.net.weight" -> "model".
std::string_view GroupOf(std::string_view name);

/// As StoredTensor; the bytes are somebody else's.
struct TensorView {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// What a store writes. The tensors' bytes outlive it.
struct CheckpointView {
  CheckpointView() = default;
  CheckpointView(const Checkpoint& checkpoint);  // NOLINT: a checkpoint is as good
  /// With bytes of its own.
  [[nodiscard]] Checkpoint Copy() const;

  Progress progress;
  std::map<std::string, std::string> metadata;
  std::vector<TensorView> tensors;
};

/// One writer (rank 0), one thread at a time.
class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;
  /// Publishes; answers the path. `best` marks it as the best so far. On an error every checkpoint that was
  /// there is still there and still the latest: kResource for a full disk, kFenced when a newer attempt
  /// has come, kIo; kUnavailable when another attempt blocks it for long; kInvalid for a tensor whose bytes do not
  /// fit its shape, or a name that comes twice.
  virtual Result<std::string> Save(const CheckpointView& checkpoint, bool best) = 0;
  /// The newest that is whole; nothing when there is none. Damaged ones are passed over with a warning;
  /// one that cannot be read now is kIo.
  virtual Result<std::optional<Checkpoint>> LoadLatest() = 0;
  /// Path of the best; empty when none was marked.
  [[nodiscard]] virtual std::string best_path() const = 0;
};

}  // namespace muster::trainer
