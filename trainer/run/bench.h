#pragma once

#include "trainer/row_source.h"
#include "trainer/run/options.h"
#include "trainer/torch/accelerator.h"
#include "trainer/torch/gang.h"

namespace muster::trainer::run {

/// Trains `options.bench_steps` steps after some that are not timed, on batches that are in memory, saving and
/// validating nothing; rank 0 prints one line of JSON about what a step took. All ranks.
Status Bench(Trial& trial, const Options& options, const RowSource& train, const Gang& gang,
             Accelerator& accelerator);

}  // namespace muster::trainer::run
