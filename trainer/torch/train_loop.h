#pragma once

#include <map>
#include <string>

#include "runtime/base/clock.h"
#include "trainer/checkpoint.h"
#include "trainer/control.h"
#include "trainer/row_source.h"
#include "trainer/torch/accelerator.h"
#include "trainer/torch/gang.h"
#include "trainer/trial.h"

/// The training loop: what happens between a trial's start and its result.
///
/// 1. Seed; the trial builds its module. Rank 0's newest checkpoint, if any, goes to all ranks (kResumed).
/// 2. For each epoch, for each global batch: every rank computes its share, gradients become those of the
///    mean loss of the global batch, the optimizer steps.
/// 3. About every second (as rank 0 measures its steps; at the latest after `agree_every`) and after each
///    epoch the ranks agree on what they were told: the strongest command that any of them has heard. Stop:
///    rank 0 saves, the loop ends as kStopped.
/// 4. After each epoch: validation, each row on one rank, sums added over ranks; rank 0 sends a kMetric
///    record of the epoch ("train/loss", "validation/<metric>", "seconds" of the epoch), saves a checkpoint and
///    sends kCheckpoint.
/// 5. At the end: kResult, with the metrics of the last epoch and the path of the best checkpoint (the last
///    one without a validation set).
/// 6. Every rank tells what its steps took (step_times.h), in a kProgress record with its `rank` and the number of
///    steps: all at the same steps, about every `telemetry_seconds`, and at the end. Whether that arrives is no concern
///    of the training. Also "tokens_per_second" and "mfu" (the share of what the device can compute), where the trial
///    and the device say what they count by, and "device_peak_bytes".
///
/// A loss that is no finite number ends the training on every rank, before a checkpoint is made of its weights.
///
/// A folder goes on with what began it: a checkpoint of another seed, number of rows or value of a parameter
/// is kConflict. A clone (PBT) goes on from another trial's whole epochs with parameters of its own: the model is
/// taken over; the optimizer's state too, unless the optimizer is another one.
/// The same seed, parameters, data, number of ranks and LibTorch threads (which share out its sums) give the
/// same bits, interrupted or not. Buffers are rank 0's before each step.
/// Another number of ranks gives the same batches and schedule; sums round differently.

namespace muster::trainer {

/// References outlive the loop.
struct LoopParts {
  Trial& trial;
  const Params& params;
  const RowSource& train;
  const RowSource* validation = nullptr;
  const Gang& gang;
  CheckpointStore* checkpoints = nullptr;  ///< on rank 0; null: nothing is saved
  Control& control;                        ///< on all ranks; all but telemetry is sent by rank 0
  Accelerator& accelerator;
  const Clock& clock;
  std::int64_t seed = 0;
  bool cloned = false;  ///< the newest checkpoint may be another trial's
  std::map<std::string, std::string>
      origin;  ///< metadata of every checkpoint, besides "program" and "params"
  std::string best_metric = "validation/accuracy";
  bool maximize = true;
  int agree_every = 16;  ///< steps; fewer where they are slow
  int loader_threads = 1;
  double telemetry_seconds = 10;
};

struct LoopEnd {
  enum class Why { kFinished, kStopped };
  Why why = Why::kFinished;
  Progress progress;
  std::string best_path;  ///< on rank 0; empty when nothing was saved
  std::shared_ptr<torch::nn::Module> module;
};

/// All ranks call it; none returns a success that others do not. Errors of data, checkpoints and control as
/// they are; kInternal with LibTorch's words when it throws. Never throws.
Result<LoopEnd> RunTrainLoop(const LoopParts& parts);

}  // namespace muster::trainer
