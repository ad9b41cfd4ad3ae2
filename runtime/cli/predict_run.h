#pragma once

#include <chrono>
#include <filesystem>
#include <functional>

#include "registry/batch/predictions.h"
#include "registry/batch/progress.h"
#include "runtime/cli/part_file.h"
#include "runtime/cli/row_file.h"

namespace muster::cli {

/// One run of `muster predict`. All that it refers to outlives it.
struct PredictWork {
  RowFile& rows;  ///< at progress
  registry::InferenceModel& model;
  PartFile& out;
  PartFile* bad = nullptr;  ///< takes wrong rows; without it one ends the run
  registry::PredictionForm form;
  registry::BatchProgress progress;
  std::filesystem::path progress_file;
  std::size_t batch_rows = 1;
  int parallel = 1;  ///< batches at work at once
  std::chrono::milliseconds sync_every{1000};
  std::function<void(const registry::BatchProgress&, double share)> show;
  std::function<bool()> stopped;
};

/// Batches are read, decoded, computed and written as text by several threads and appended in their order, so the
/// output does not depend on how many there are:
///
///   1. appended to OUT.part, wrong rows to theirs;
///   2. every `sync_every`, and before it returns: fdatasync of both, then progress_file by rename. What it says is
///      done is on the disk; after a crash what lies beyond is cut off and computed again.
///
/// Answers true at the end of the rows, false when it was stopped. kInvalid "FILE:LINE: why" of a wrong row
/// when there is no `bad`; what is before it is safe then.
Result<bool> RunPredictions(PredictWork& work);

}  // namespace muster::cli
