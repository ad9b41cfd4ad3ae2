#pragma once

#include <cstdint>

namespace muster::sim {

/// Seeds that showed a bug when they were found. Every test run plays them; what a seed means changes when
/// the simulator does, so each bug has a test of its own as well.
struct PinnedSeed {
  std::uint64_t seed;
  const char* bug;  ///< what was wrong
  const char* test;
};

inline constexpr PinnedSeed kPinnedSeeds[] = {
    {165, "a failed sync, forgotten by the kernel, cost acknowledged events after a power loss",
     "DiskTest.SyncThatFailedAndWasForgotten_LosesNothingThatIsAcknowledgedLater"},
    {190, "a wall clock that jumped ended a sweep by its time limit",
     "Sweeps.WallClockThatJumps_MovesNoTimeLimit"},
    {8807, "a late Welcome renewed a lease that the coordinator did not know of",
     "AgentTest.WelcomeOfAnEarlierHello_RenewsNoLease"},
    {27533, "the same, by Welcomes of Hellos before a coordinator's restart",
     "AgentTest.WelcomeOfAnEarlierHello_RenewsNoLease"},
};

}  // namespace muster::sim
