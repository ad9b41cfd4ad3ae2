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
    {15, "the agent of a job that was lost kept a result that nobody took for ever",
     "LonelyTest.WithResultsThatNobodyTakes_ItEndsTenTimesLater"},
    {21, "a trial was started again while an older start of a lent node's agent still ran it",
     "PoolTest.OlderStartOfAnAgent_KeepsItsAttemptUntilItsLeaseIsOver"},
    {94, "a request for more jobs than a user may have waited for ever",
     "AllocationJobs.RequestThatIsMoreThanTheLimit_IsTakenInParts"},
    {149, "with a batch system's clock hours behind, every job was given back as it began",
     "PoolTest.BatchSystemWhoseClockIsHoursBehind_TakesNothingBackEarly"},
    {838, "a gang was spread over nodes of two jobs, and a node that came late took another trial",
     "PoolTest.GangOverSeveralNodes_TakesThoseOfOneJob_AndNoOtherTakesTheRest"},
    {2045, "a pool that was made again took the last one's jobs for its own",
     "PoolTest.PoolThatIsMadeAgain_AsksUnderNewNames"},
};

}  // namespace muster::sim
