#pragma once

#include "trainer/checkpoint.h"
#include "trainer/params.h"

/// Whether a checkpoint may be gone on from. Pure.

namespace muster::trainer {

/// A folder goes on with what began it: kConflict where the checkpoint is of another seed, batch size, number of rows
/// or value of a parameter (one that either side lacks says nothing, nor does one that changes no result); names what
/// it was and is.
Status CheckSame(const Checkpoint& saved, const Progress& own, const Params& params);

/// Makes what another trial saved, with other parameters, into what this one could have saved: its seed, parameters and
/// batch size. kConflict within an epoch of other batches.
Status TakeOver(Checkpoint& donors, const Progress& own, const Params& params,
                std::int64_t steps_per_epoch);

}  // namespace muster::trainer
