#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "trainer/row_order.h"
#include "trainer/row_source.h"
#include "trainer/torch/accelerator.h"
#include "trainer/trial.h"

/// Batches of one epoch for one rank, read ahead by own threads straight into tensors, and on their way to the device
/// before they are asked for.

namespace muster::trainer {

struct LoaderOptions {
  std::vector<std::string> columns;
  Epoch epoch;
  std::uint64_t batch_size = 1;
  std::uint64_t first_batch = 0;  ///< where to begin
  RankInfo rank;
  int threads = 1;
  std::size_t ahead = 4;                     ///< batches that may wait
  const Accelerator* accelerator = nullptr;  ///< outlives the loader; null: host memory
};

struct LoadedBatch {
  Batch batch;                   ///< this rank's share
  std::uint64_t number = 0;      ///< of the global batch
  std::int64_t global_rows = 0;  ///< of the global batch
  std::function<void()> arrive;  ///< of Upload; Next has called it
};

/// One consumer. Ends its threads when destroyed.
class BatchLoader {
 public:
  /// kNotFound for a column that `source` lacks. `source` must outlive the loader.
  static Result<std::unique_ptr<BatchLoader>> Start(const RowSource& source, LoaderOptions options);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// The next batch in order; nothing after the last one. The source's errors; kInternal where reading
  /// threw, as without memory.
  Result<std::optional<LoadedBatch>> Next();

 private:
  BatchLoader(const RowSource& source, LoaderOptions options, std::vector<std::size_t> fields);
  void Work();
  Result<LoadedBatch> Load(std::uint64_t number) const;
  Result<LoadedBatch> LoadOrThrow(std::uint64_t number) const;

  const RowSource& source_;
  const LoaderOptions options_;
  const std::vector<std::size_t> fields_;
  const std::uint64_t batches_;
  std::mutex mutex_;  ///< guards all below
  std::condition_variable changed_;
  std::map<std::uint64_t, Result<LoadedBatch>> ready_;
  std::uint64_t next_to_read_;
  std::uint64_t next_to_give_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace muster::trainer
