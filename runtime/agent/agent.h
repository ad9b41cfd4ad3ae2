#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/agent/mutation.h"
#include "runtime/agent/rank_sample.h"
#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/wire/messages.h"

/// A node's side of the protocol at the head of runtime/wire/messages.h: a state machine without threads,
/// sockets, clocks, files or processes. A host (a thread in the daemon, the simulator in tests) hands it
/// inputs and a time and carries out the effects that come back, in their order.
///
/// One attempt, seen from here. "The process side" is whoever carries out the effects that are not Send.
///   1. Prepare (from the coordinator) -> MakeAttempt once no older attempt holds its slots.
///   2. ShimReady -> Prepared is sent. Go -> StartRanks; ShimStarted -> Started is sent.
///   3. ReadRecords and ReadLog ask for the next bytes of the spools; RecordsRead and LogRead bring them,
///      when there are any. At most `Options::window_bytes` a spool are unacknowledged; what the
///      coordinator does not acknowledge is read again, so the agent keeps no copy.
///   4. The end, whoever wants it: [NoteEnd] -> [SignalRanks SIGTERM, a grace] -> KillAttempt. The process
///      side kills whatever carries the attempt's mark until nothing does, and only then says SlotEmpty.
///   While ranks run, Observed says about once a second what each of them did. When runtime/agent/hang.h
///   names one that hangs, InspectHang lets the process side look closer (stacks, last words);
///   HangInspected, or a timeout, is followed by a Notice or by the end, as `Prepare::hang_action` says.
///   5. Spools read to their end and acknowledged -> Exited is sent until Forget -> ForgetAttempt.
///
/// An agent that leaves (Leave), or is told to (wire::Retire), takes no more work, and Quit is its last effect.
///
/// Rules: after Connected only Hello goes out and only Welcome is heard until Welcome has come. A message
/// of an older coordinator epoch is dropped. An attempt epoch that is not newer than
/// those its slots have seen starts nothing. A node without attempts asks for an answer to one heartbeat in
/// four, and until it has one. Everything is idempotent.

namespace muster::agent {

// --- inputs -----------------------------------------------------------------------------------------

/// An attempt that the process side found on disk when the agent started.
struct FoundAttempt {
  wire::Prepare prepare;  ///< as MakeAttempt had it
  /// kPreparing: its shim never became ready. kPrepared: the shim waits for StartRanks. kRunning: StartRanks
  /// was carried out and processes may be alive. kExited: every rank had ended. Others do not occur.
  wire::AttemptPhase phase = wire::AttemptPhase::kPreparing;
  std::string address;                       ///< as ShimReady said; empty before
  int port = 0;                              ///< as ShimReady said; 0 before
  std::optional<wire::ExitCause> end_cause;  ///< of the newest NoteEnd
  std::string end_message;                   ///< of the newest NoteEnd
};
/// The first input of an agent's life, also when nothing was found; nothing is sent before it. Afterwards
/// the process side watches the found attempts as if it had made them: RanksExited, ShimLost, ... of what
/// happened while no agent was there follow (also those that an earlier agent was told).
struct FoundAtStart {
  std::vector<FoundAttempt> attempts;
};

/// A connection to the coordinator is up, anew or again. Sends go to it from now on.
struct Connected {};
struct Disconnected {};
/// A message came in.
struct Received {
  wire::Envelope envelope;
};
/// The node is about to be taken away: kPreempt or kWalltime. Its attempts are to save what they have and end.
struct Leave {
  wire::ExitCause cause = wire::ExitCause::kPreempt;
};
/// The coordinator will not listen to this agent, whatever it says: its key, its protocol, a later start of the node.
struct Refused {
  std::string why;  ///< for people
};
/// Time passed. At least every 100 ms while attempts live or a connection is up.
struct Tick {};

/// MakeAttempt was done: the shim waits, the port is bound and kept.
struct ShimReady {
  AttemptEpoch epoch;
  std::string address;
  int port = 0;
};
/// MakeAttempt or StartRanks could not be done; `message` says why, for people. `cause` is kUser for what
/// no other try on this node would mend: a program or a folder that is not there.
struct MakeFailed {
  AttemptEpoch epoch;
  std::string message;
  wire::ExitCause cause = wire::ExitCause::kInfra;
};
/// StartRanks was done.
struct ShimStarted {
  AttemptEpoch epoch;
};
/// Something of the attempt moved (a spool grew, CPU or a GPU was used). At most one a second is enough.
struct Activity {
  AttemptEpoch epoch;
};
/// What the living ranks of an attempt did so far, about once a second.
struct Observed {
  AttemptEpoch epoch;
  std::vector<RankSample> ranks;
};
/// Answers InspectHang; the whole report is in the output of each rank.
struct HangInspected {
  AttemptEpoch epoch;
  std::string evidence;  ///< for people, some lines at most; may be empty
};
/// Answers ReadRecords: whole lines [begin, end) of the record spool, end > begin. Lines that do not decode
/// are left out of `records` but covered by `end`.
struct RecordsRead {
  AttemptEpoch epoch;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::vector<wire::TrialRecord> records;
};
/// Answers ReadLog: bytes [begin, end) of one output, end > begin, as base64.
struct LogRead {
  AttemptEpoch epoch;
  int rank = 0;
  std::string stream;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::string data;
};
/// Ranks that ended since the last such input, in the order in which they ended; what was seen of ranks
/// comes before SlotEmpty. Repeats are harmless.
struct RanksExited {
  struct Rank {
    wire::RankExit exit;
    bool out_of_memory = false;  ///< the kernel or a limit killed it for memory
  };
  AttemptEpoch epoch;
  std::vector<Rank> ranks;
  bool all = false;  ///< no further rank will be reported (mpirun itself has ended)
};
/// The shim, or mpirun, is gone without all of its ranks having been seen to end.
struct ShimLost {
  AttemptEpoch epoch;
  std::string message;  ///< what was seen, for people; may be empty
};
/// Answers KillAttempt: it was checked that no process with the attempt's mark is left. Sizes are final.
struct SlotEmpty {
  AttemptEpoch epoch;
  std::int64_t records_end = 0;                  ///< bytes of whole lines in the record spool
  std::map<std::string, std::int64_t> logs_end;  ///< "0.out" -> bytes; absent: empty
  std::optional<wire::ResourceUse> used = {};    ///< as in wire::Exited
};

using Input = std::variant<FoundAtStart, Connected, Disconnected, Received, Tick, ShimReady,
                           MakeFailed, ShimStarted, Activity, RecordsRead, LogRead, RanksExited,
                           ShimLost, SlotEmpty, Observed, HangInspected, Leave, Refused>;

// --- effects ----------------------------------------------------------------------------------------
// Each may be carried out twice or come after the fact (StartRanks of a killed attempt); the process side
// treats that as done. What it cannot find any more it treats as empty (SlotEmpty with sizes 0).

struct Send {
  wire::Envelope envelope;
};
/// Make the attempt's folder with `prepare` in it, fork the stopped shim, bind and keep a port. Answered by
/// ShimReady or MakeFailed.
struct MakeAttempt {
  wire::Prepare prepare;
};
/// Answered by ShimStarted or MakeFailed.
struct StartRanks {
  wire::Go go;
};
/// To every rank that lives (SIGTERM, SIGUSR2). Not answered.
struct SignalRanks {
  AttemptEpoch epoch;
  int signal = 0;
};
/// Keep in the attempt's folder why it is being ended, before the next effect, so that an agent
/// that starts anew still knows (`FoundAttempt::end_cause`). A later one replaces it.
struct NoteEnd {
  AttemptEpoch epoch;
  wire::ExitCause cause = wire::ExitCause::kInfra;
  std::string message;
};
/// SIGKILL, again and again, everything that carries the attempt's mark, shim and escaped children
/// included. Answered by SlotEmpty when it was seen that nothing is left.
struct KillAttempt {
  AttemptEpoch epoch;
};
/// Answer with RecordsRead as soon as the record spool has whole lines beyond `begin`; at most `max_bytes`,
/// one line at least. A newer ReadRecords of the epoch replaces one that was not answered. At the end of
/// a finished spool there is no answer.
struct ReadRecords {
  AttemptEpoch epoch;
  std::int64_t begin = 0;
  std::int64_t max_bytes = 0;
};
/// The same for one output of one rank, answered with LogRead; each (rank, stream) has its own. Streams are
/// "out" and "err" of every rank of the gang; one that does not exist is never answered.
struct ReadLog {
  AttemptEpoch epoch;
  int rank = 0;
  std::string stream;
  std::int64_t begin = 0;
  std::int64_t max_bytes = 0;
};
/// Delete the attempt's folder. The epoch never comes back.
struct ForgetAttempt {
  AttemptEpoch epoch;
};

/// Find out what these ranks (and, for comparison, some of the others) do: stacks in kernel and program, last
/// lines of output. Write it to the ranks' output as marked lines. Answered by HangInspected.
struct InspectHang {
  AttemptEpoch epoch;
  std::vector<int> ranks;
  std::string why;
};
/// Shims are to kill their ranks at `until` unless this comes again with a later time: that is how the lease is
/// kept when the agent is not there to do it. Of the whole node; before the first MakeAttempt.
struct RenewLease {
  MonotonicTime until;
};

/// Nothing is left here, and nothing will come: the agent's process ends. Once.
struct Quit {
  std::string why;  ///< for people
  bool failed =
      false;  ///< not after Leave or wire::Retire: the coordinator was silent, or refused this agent
};

using Effect = std::variant<Send, MakeAttempt, StartRanks, SignalRanks, NoteEnd, KillAttempt,
                            ReadRecords, ReadLog, ForgetAttempt, InspectHang, RenewLease, Quit>;
using Effects = std::vector<Effect>;

// --- the machine ------------------------------------------------------------------------------------

struct Options {
  NodeId node;
  std::string host;
  int slots = 0;
  int gpus = 0;
  std::vector<std::int64_t> gpu_memory;  ///< this and the next as in wire::Hello
  std::map<std::string, std::int64_t> resources;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> limits;  ///< as in wire::Hello
  std::int64_t incarnation = 1;               ///< higher after each start of this node's agent

  std::int64_t heartbeat_ms = 1'000;  ///< until a Welcome says otherwise
  std::int64_t lease_ms = 10'000;     ///< until a Welcome says otherwise
  /// Between SIGTERM and SIGKILL of the agent's own accord (lease passed, rank died).
  std::int64_t fence_grace_ms = 2'000;
  /// The lease's end, and fence_grace_ms, and this: then shims kill by themselves. With the coordinator's
  /// lease_margin_ms in mind, after which it gives the slots to others.
  std::int64_t orphan_margin_ms = 500;
  /// False for an agent in the coordinator's own process: when that is gone nobody gives the slots to others,
  /// and the ranks are kept for the next one, however late it comes.
  bool orphans_end = true;
  /// After Leave the coordinator has so long to stop what runs here, with all parts of each gang; then the agent does.
  std::int64_t leave_ms = 2'000;
  std::int64_t leave_grace_ms = 10'000;  ///< between SIGTERM and SIGKILL then
  /// Without attempts and without an answer of the coordinator for so long the agent ends, and, when that refuses it,
  /// at once; 0: it calls for ever. What attempts that have ended came to is kept for ten times as long.
  std::int64_t lonely_ms = 0;
  std::int64_t inspect_ms = 15'000;  ///< for InspectHang to be answered
  std::int64_t resend_ms = 1'000;    ///< Exited, and spools from the acknowledged offset
  /// After SlotEmpty, Exited waits this long for logs to be acknowledged any further (records: for ever).
  std::int64_t log_drain_ms = 5'000;
  std::int64_t chunk_bytes = 256 * 1024;    ///< of a Records or LogChunk
  std::int64_t window_bytes = 1024 * 1024;  ///< unacknowledged, a spool

  Mutation mutation = Mutation::kNone;  ///< for the simulator's tests only
};

class Machine;

/// The agent of one node. One thread; cheap to step; holds a few hundred bytes an attempt.
class Agent {
 public:
  explicit Agent(Options options);
  ~Agent();
  Agent(Agent&&) noexcept;
  Agent& operator=(Agent&&) noexcept;

  /// Takes one input. `now` is the node's monotonic clock and never decreases.
  [[nodiscard]] Effects Step(const Input& input, MonotonicTime now);

  /// Attempts that still hold their slots (not yet seen empty), for status lines.
  [[nodiscard]] int live_attempts() const;

 private:
  std::unique_ptr<Machine> machine_;
};

}  // namespace muster::agent
