#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "trainer/row_order.h"
#include "trainer/shm/process.h"
#include "trainer/shm/segment.h"

/// How the ranks of one job on one machine find each other by the job's name.
///
/// 1. Rank 0 listens on a socket of the abstract namespace, which has no file: its name holds the user and
///    the job, and vanishes with rank 0.
/// 2. The others connect, as soon as they can, and say who they are. The kernel tells both sides the
///    other's user and pid.
/// 3. When all are there, rank 0 makes the segment and sends it to each with the list of processes, and
///    closes the socket. From then on the job's name means nothing; an earlier job's memory cannot
///    be joined, as nothing leads to it.
///
/// A rank that says something else than rank 0 (ranks, rank, version) is refused with both named, which
/// ends the meeting.

namespace muster::trainer::shm {

struct MeetOptions {
  std::string job;  ///< equal for the ranks of one job, different for any other job of the time
  RankInfo rank;
  std::chrono::milliseconds timeout = std::chrono::minutes(2);  ///< for all to come
  std::uint32_t slot_bytes = SegmentLayout().slot_bytes;        ///< rank 0's counts
};

struct Meeting {
  std::uint32_t rank = 0;
  Segment segment;
  std::vector<PeerProcess> processes;  ///< by rank, this one's too
};

/// kUnavailable when not all come in time, kInvalid when they disagree, kConflict when another job of this
/// name meets now, kUnauthorized when the name is held by another user, kUnsupported when the ranks are in
/// different PID namespaces (containers).
Result<Meeting> Meet(const MeetOptions& options);

}  // namespace muster::trainer::shm
