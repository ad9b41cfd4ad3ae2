#pragma once

#include "runtime/cli/context.h"

/// `muster doctor --cluster`: lets every node that takes work look at itself and at the others, by trials of one slot
/// that are submitted like any other (`muster probe`):
///
///   1. A probe on each node at the same time. It leaves a token in the checkpoint folder.
///   2. In rounds, each node in one pair a round: a probe listens on the one; when it says where, one on the other calls.
///      Of n nodes all pairs are met after n - 1 rounds, or n; kRoundsMost of them are held.
///
/// What was submitted and still runs when the time is over, or at Ctrl-C, is cancelled.

namespace muster::cli {

inline constexpr int kRoundsMost = 15;

struct DoctorClusterFlags {
  int seconds = 120;  ///< all in all
};

/// kFailed when something is wrong.
int DoctorCluster(const Context& context, const DoctorClusterFlags& flags);

}  // namespace muster::cli
