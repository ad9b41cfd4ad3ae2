#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/wire/trial_record.h"

/// Every message between agents and the coordinator.
///
/// One start of a gang, per node:
///   1. coordinator: commits the attempt's epoch, then sends Prepare.
///   2. agent: makes the attempt's folder, forks a stopped shim, binds the rendezvous port and keeps it,
///      answers Prepared (or Exited with `started` false when it cannot).
///   3. coordinator: sends Go when every node of the gang is prepared, else Abort.
///   4. agent: lets the shim start the ranks; forwards Records and LogChunks from the spools, each kept
///      until an Ack covers its end offset.
///   5. agent: when no process of the attempt is left (checked, not assumed) and the spools are read to
///      their end, sends Exited until Forget answers it; then deletes the attempt's folder.
/// An agent that connects says Hello with the attempts it found; Welcome tells which to keep and which to
/// kill; the agent says Hello until then, and the coordinator hears nothing else from it before. Go, Abort
/// or Stop of an epoch that the agent does not know is answered by Exited with `started` false, and the
/// epoch starts nothing any more. Every message may be lost, doubled or reordered; each handler is idempotent. A coordinator epoch
/// or attempt epoch older than the newest seen is refused.

namespace muster::wire {

inline constexpr int kMajorVersion = 2;  ///< what is spoken where the peer does not ask for less
inline constexpr int kMinorVersion = 1;  ///< a newer minor may add members and message types
inline constexpr int kOldestMajor = 1;   ///< is understood and answered too
/// Of a whole encoded message; a bigger one is refused unread. A message type may have a lower bound
/// (runtime/wire/message_types.h).
inline constexpr std::size_t kEnvelopeBytesMax = std::size_t{16} << 20;

/// How the ranks of a gang are started.
enum class LauncherKind {
  kLocal,  ///< one child a rank, torchrun's environment
  kMpi,    ///< mpirun, which is the parent of the ranks
};

enum class AttemptPhase { kPreparing, kPrepared, kRunning, kStopping, kExited };

/// Why an attempt ended; runtime/coordinator/retry_policy.h says which retries it uses up.
enum class ExitCause {
  kSuccess,   ///< exit 0
  kResume,    ///< exit 75: start me again from my checkpoint
  kUser,      ///< another exit code or signal of the rank's own
  kOom,       ///< killed for memory
  kNode,      ///< the node or its agent is gone
  kPreempt,   ///< taken for other work
  kWalltime,  ///< out of time
  kHang,      ///< a rank hangs: see Prepare::hang_ms
  kInfra,     ///< it could not be started, or muster itself failed
  kFenced,    ///< a newer attempt exists
  kStopped,   ///< muster asked it to stop (pruned, cancelled) and it did
};

enum class StopReason {
  kPruned,
  kCancelled,
  kPaused,
  kFenced,
  kShutdown,
  kPreempted,  ///< its place is wanted; the trial goes on elsewhere
  kWalltime,   ///< the attempt has had its time
  kGangLost,   ///< another part of the gang has ended
};

/// A part of one GPU that a rank of the gang holds.
struct DeviceShare {
  int device = 0;                 ///< index on its node
  int milli = 1'000;              ///< thousandths of it; 1000: nobody else has any of it
  std::int64_t memory_bytes = 0;  ///< 0: not counted
  friend bool operator==(const DeviceShare&, const DeviceShare&) = default;
};

/// What follows once a hang was seen and looked into.
enum class HangAction {
  kReport,   ///< say so and go on
  kRestart,  ///< end the attempt with kHang: the retries decide
  kKill,     ///< the same for the agent; the coordinator fails the trial
};

enum class NoticeKind { kHang, kStraggler };

struct AttemptReport {
  AttemptEpoch epoch;
  TrialId trial;
  AttemptPhase phase = AttemptPhase::kPreparing;
};

// --- agent to coordinator ---------------------------------------------------------------------------

struct Hello {
  NodeId node;
  std::string host;
  int slots = 0;
  int gpus = 0;
  std::vector<std::int64_t> gpu_memory;  ///< bytes of each GPU; empty: not known, so not counted
  /// What else the node has, by name: "memory" in bytes, and whatever its administrator counts. A node
  /// that does not name its memory is taken to have enough.
  std::map<std::string, std::int64_t> resources;
  std::map<std::string, std::string> labels;
  std::int64_t incarnation = 0;  ///< of the agent, higher after each start
  std::vector<AttemptReport> attempts;
  std::int64_t sequence = 0;  ///< counts the Hellos of this incarnation
  /// How the node keeps an attempt within its "memory", "cpu" and "pids", in words for people: "cgroup", "watched",
  /// "no". Empty: not known.
  std::map<std::string, std::string> limits;
  /// Its shims start a part of a gang that mpirun spreads over nodes (Go::parts). A muster from before cannot.
  bool remote_start = false;
};
struct Heartbeat {
  NodeId node;
  std::int64_t sequence = 0;  ///< 0: wants no answer; those that do are counted from 1
};
struct Prepared {
  AttemptEpoch epoch;
  std::string address;  ///< where this node can be reached by the gang's others
  int port = 0;         ///< bound and held by the agent until the ranks take it
};
struct Started {
  AttemptEpoch epoch;
};
/// Records [begin, end) of the attempt's spool, in bytes. Whole lines only.
struct Records {
  AttemptEpoch epoch;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::vector<TrialRecord> records;
};
/// Bytes [begin, begin + size) of one rank's output. `data` is base64 of the raw bytes.
struct LogChunk {
  AttemptEpoch epoch;
  int rank = 0;
  std::string stream;  ///< "out" or "err"
  std::int64_t begin = 0;
  std::string data;
};
/// Something about a living attempt that people should know. Sent again until an Ack covers its number.
struct Notice {
  AttemptEpoch epoch;
  NoticeKind kind = NoticeKind::kHang;
  std::int64_t number = 0;  ///< grows within an attempt, over agents that start anew as well
  std::string text;         ///< a sentence or some, kNoticeBytesMax at most
};
inline constexpr std::size_t kNoticeBytesMax = 4096;
struct RankExit {
  int rank = 0;
  int code = 0;      ///< exit code, or 128 + signal
  std::string text;  ///< "exit 3", "killed by signal 9 (SIGKILL)"
};
/// What the processes of an attempt on one node used, as its kernel and its GPUs' driver count: ranks, whatever they
/// started, and what started them. At least that: what was killed before it was counted is missing.
struct ResourceUse {
  std::int64_t cpu_ms = 0;  ///< user and system time
  /// The most that ranks were seen to have together, or a single process ever had.
  std::int64_t memory_bytes = 0;
  /// Time for which GPUs' multiprocessors were busy, all together; absent: nobody tells.
  std::optional<std::int64_t> gpu_ms = {};
  friend bool operator==(const ResourceUse&, const ResourceUse&) = default;
};
/// The node will be taken away (its time is over, others want it): its ranks are to save what they have and end. Said
/// again until they have; then the agent ends.
struct Leaving {
  ExitCause cause = ExitCause::kPreempt;  ///< kPreempt or kWalltime
};
struct Exited {
  AttemptEpoch epoch;
  bool started = true;
  ExitCause cause = ExitCause::kInfra;
  std::string message;                   ///< a sentence for people: what was seen, which rank first
  std::vector<RankExit> ranks;           ///< may be empty when nothing started
  std::int64_t records_end = 0;          ///< the spool's final size: all of it was or will be sent
  std::optional<ResourceUse> used = {};  ///< absent: nobody counted
};

// --- coordinator to agent ---------------------------------------------------------------------------

struct Welcome {
  CoordinatorEpoch coordinator;
  std::int64_t lease_ms =
      10'000;  ///< without a Heartbeat answered for so long, the agent kills its attempts
  std::int64_t heartbeat_ms = 1'000;
  std::vector<AttemptEpoch> keep;
  std::vector<AttemptEpoch> kill;
  std::map<std::string, std::int64_t>
      records_end;  ///< of kept attempts, by epoch: resume sending here
  std::int64_t hello =
      0;  ///< Hello::sequence of what it answers, from whose sending the lease counts
};
struct HeartbeatAck {
  std::int64_t sequence = 0;
};
struct Prepare {
  AttemptEpoch epoch;
  TrialId trial;
  RunId run;
  LauncherKind launcher = LauncherKind::kLocal;
  std::vector<std::string>
      command;  ///< parameters already in place; [0] may be a shipped trial's name
  std::string working_dir;
  std::map<std::string, std::string> env;  ///< beyond the contract's own
  std::string params_json;                 ///< becomes the MUSTER_PARAMS file
  std::string checkpoint_dir;
  std::string start_from;  ///< the checkpoint folder that an empty checkpoint_dir becomes a copy of
  /// Where copies of checkpoint_dir are kept for clones, each as <step>.a-<epoch>: one of the first checkpoint at
  /// or beyond each multiple of `keep_every` steps that this attempt publishes. 0: none.
  std::string keep_dir;
  std::int64_t keep_every = 0;
  /// What `.store` in the root of all checkpoints reads, by which a node knows that it shares that folder. Empty: it is
  /// taken to.
  std::string checkpoint_store;
  /// "http://host:port" where a node that does not gets checkpoint_dir and sends it (runtime/server/checkpoint_routes.h),
  /// with the attempt's token (MLFLOW_TRACKING_TOKEN in `env`). The host may be 0.0.0.0: where this node reaches the
  /// coordinator. Empty: nowhere.
  std::string checkpoint_url;
  int ranks = 1;       ///< on this node: first_rank, first_rank + 1, ...
  int first_rank = 0;  ///< logs and exits name ranks by their number in the whole gang
  int world_size = 0;  ///< ranks of the whole gang; 0: all are on this node
  int node_rank = 0;   ///< this node's place among the gang's
  int cpus_per_rank = 1;
  int gpus_per_rank = 0;
  std::vector<int> slots;  ///< which of the node's slots the gang holds
  /// The GPUs that the ranks here hold, rank by rank: `gpus_per_rank` whole ones each, or one share each.
  std::vector<DeviceShare> devices;
  std::int64_t grace_ms = 10'000;  ///< between SIGTERM and SIGKILL
  /// kHang when there was no output, no record and not one tick of CPU for so long; 0: never. Before the
  /// first step it is also how long a hang must last that `hang_ms` judges.
  std::int64_t silence_ms = 0;
  /// A rank that is stuck for so long is named and `hang_action` follows; 0: never. The rules stand in
  /// runtime/agent/hang.h.
  std::int64_t hang_ms = 0;
  HangAction hang_action = HangAction::kRestart;
  std::int64_t memory_bytes = 0;  ///< of each rank, kOom beyond it; 0: no limit
  /// Of a gang that mpirun spreads over nodes; else empty. Who proves to know it may start this node's part
  /// (cluster/local/start_server.h): the coordinator tells the nodes of the gang alone.
  std::string start_secret;
};
/// One node of a gang that mpirun spreads over several.
struct GangPart {
  std::string address;  ///< this and the next as its Prepared said
  int port = 0;
  int ranks = 0;
};
struct Go {
  AttemptEpoch epoch;
  std::string master_address;
  int master_port = 0;
  std::vector<GangPart> parts;  ///< by node_rank; empty unless Prepare had a start_secret
};
struct Abort {
  AttemptEpoch epoch;
};
struct Stop {
  AttemptEpoch epoch;
  StopReason reason = StopReason::kCancelled;
  std::int64_t grace_ms = 10'000;
};
struct AskCheckpoint {
  AttemptEpoch epoch;
};
struct Ack {
  AttemptEpoch epoch;
  std::int64_t records_end = 0;                  ///< records below are durable
  std::map<std::string, std::int64_t> logs_end;  ///< "0.out" -> bytes below are durable
  std::int64_t notices_end = 0;                  ///< notices up to this number are durable
};
struct Forget {
  AttemptEpoch epoch;
};
/// The node is wanted no more: once nothing runs there its agent ends.
struct Retire {
  std::string why;  ///< for people
};

using Message = std::variant<Hello, Heartbeat, Prepared, Started, Records, LogChunk, Exited,
                             Welcome, HeartbeatAck, Prepare, Go, Abort, Stop, AskCheckpoint, Ack,
                             Forget, Notice, Leaving, Retire>;

/// The frame every message travels in. Its two forms, JSON (major 1) and a binary header before the body
/// (major 2), are laid out byte by byte in runtime/wire/README.md.
struct Envelope {
  int major = kMajorVersion;     ///< in which it is encoded, or came
  int minor = kMinorVersion;     ///< in which it came; encoding writes this muster's own
  CoordinatorEpoch coordinator;  ///< the sender's, or the newest the agent has seen; 0: none yet
  /// Which start of the agent sends; 0: a coordinator does, or a peer of major 1, which has no place for it.
  std::int64_t incarnation = 0;
  /// Counts what its sender put on this connection from 1; 0: not counted, or major 1.
  std::int64_t sequence = 0;
  /// Of what came: equal for a repetition, see IdempotencyKey. Encoding derives it. Major 1: 0.
  std::uint64_t key = 0;
  Message message;
};

/// The majors that one end speaks. Another is refused with both sides' versions named.
struct Majors {
  int oldest = kOldestMajor;
  int newest = kMajorVersion;
};

/// `envelope.major` chooses the form and is one of those that this muster speaks.
std::string EncodeEnvelope(const Envelope& envelope);
/// Either form. kUnsupported for another major; kInvalid, kCorrupt (the checksum) or kResource (a bound) for
/// anything malformed, an unknown type, or a value that no peer may send. The sentence says what was seen and
/// what was wanted. Memory is bounded by a small multiple of `bytes`, whatever is in them.
Result<Envelope> DecodeEnvelope(std::string_view bytes, Majors spoken = {});

/// "hello", "prepare", ...
std::string_view MessageName(const Message& message);
/// Whether an agent says it; else a coordinator does.
bool SentByAgent(const Message& message);
/// The attempt it is about; 0: about none, or several.
AttemptEpoch AttemptOf(const Message& message);
/// The same for the same type and body, so a repetition carries the key of the first. Not a secret, not proof
/// against a peer that wants two messages to collide.
std::uint64_t IdempotencyKey(const Message& message);

}  // namespace muster::wire
