#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/agent/agent.h"
#include "runtime/agent/hang.h"
#include "runtime/agent/straggler.h"

/// The inside of Agent; nobody else includes it.

namespace muster::agent {

enum class Phase {
  kWaiting,   ///< Prepare came, an older attempt still holds a slot
  kMaking,    ///< MakeAttempt was asked for
  kPrepared,  ///< the shim waits
  kStarting,  ///< StartRanks was asked for
  kRunning,   ///< the ranks run
  kStopping,  ///< SIGTERM was sent, `kill_at` follows
  kKilling,   ///< KillAttempt was asked for
  kDraining,  ///< no process is left; the spools are being sent
  kExited,    ///< Exited is being sent
};

/// What is read of one spool. acked <= cursor, except that an Ack may know more than this agent does.
struct Spool {
  std::int64_t acked = 0;             ///< below: durable at the coordinator
  std::int64_t cursor = 0;            ///< below: read and sent
  std::optional<std::int64_t> asked;  ///< the offset of the read that is not answered yet
  std::optional<std::int64_t> final;  ///< its size, once it can grow no more
  MonotonicTime progress;  ///< of the last acknowledgement, or of a send that follows one
};

struct LogSpool {
  int rank = 0;
  std::string stream;
  Spool spool;
};

struct Attempt {
  wire::Prepare prepare;
  Phase phase = Phase::kWaiting;
  std::string address;
  int port = 0;
  bool started = false;  ///< StartRanks was asked for, or ranks left something
  std::optional<wire::ExitCause> end_cause;
  std::string end_message;
  bool discard = false;  ///< its spools are of no use to anybody
  bool all_exited = false;
  std::vector<RanksExited::Rank> exits;
  std::optional<wire::ResourceUse> used;
  MonotonicTime kill_at;
  MonotonicTime activity;
  Spool records;
  std::map<std::string, LogSpool> logs;  ///< "0.out"
  MonotonicTime log_progress;
  MonotonicTime exited_sent;

  std::optional<HangWatch> hang_watch;
  StragglerWatch straggler_watch;
  std::optional<Hang> hang;                     ///< seen, and not over
  std::optional<MonotonicTime> inspected_from;  ///< while InspectHang is not answered
  bool silence_told = false;                    ///< and nothing moved since
  std::deque<wire::Notice> notices;             ///< not acknowledged
  int notices_made = 0;
  MonotonicTime notice_sent;
};

/// Do they want a slot in common?
bool SlotsMeet(const wire::Prepare& one, const wire::Prepare& other);

class Machine {
 public:
  explicit Machine(Options options) : options_(std::move(options)) {}

  Effects Step(const Input& input, MonotonicTime now);
  [[nodiscard]] int LiveAttempts() const;

 private:
  // machine.cc: the connection, the lease, what the coordinator says.
  void On(const FoundAtStart& input);
  void On(const Connected&);
  void On(const Disconnected&);
  void On(const Received& input);
  void On(const Tick&);
  void On(const Leave& input);
  void On(const Refused& input);
  void OnMessage(const wire::Welcome& welcome);
  void OnMessage(const wire::HeartbeatAck& ack);
  void OnMessage(const wire::Prepare& prepare);
  void OnMessage(const wire::Go& go);
  void OnMessage(const wire::Abort& abort);
  void OnMessage(const wire::Stop& stop);
  void OnMessage(const wire::AskCheckpoint& ask);
  void OnMessage(const wire::Ack& ack);
  void OnMessage(const wire::Forget& forget);
  void OnMessage(const wire::Retire& retire);
  template <typename Other>
  void OnMessage(const Other&) {}  // an agent's own messages mean nothing to an agent
  void Introduce();
  void LeaveOn();
  void GiveUp(std::string why);
  void QuitWhenEmpty();
  void DropEnded();
  void SendHello();
  void SendHeartbeat(bool asks);
  void FenceIfLeasePassed();
  bool Heard(std::deque<std::pair<std::int64_t, MonotonicTime>>& sent, std::int64_t answered);
  [[nodiscard]] bool LeaseHolds() const;
  void RenewLease();

  // machine_attempt.cc: the life of one attempt, what the process side says.
  void On(const ShimReady& input);
  void On(const MakeFailed& input);
  void On(const ShimStarted& input);
  void On(const Activity& input);
  void On(const RanksExited& input);
  void On(const ShimLost& input);
  void On(const SlotEmpty& input);
  void Adopt(const FoundAttempt& found);
  [[nodiscard]] std::string WhyRefused(const wire::Prepare& prepare) const;
  void MakeWaiting();
  void Start(Attempt& attempt, const wire::Go& go);
  void NoteStarted(Attempt& attempt);
  void End(Attempt& attempt, wire::ExitCause cause, std::string message, std::int64_t grace_ms);
  void Kill(Attempt& attempt);
  void FinishIfDrained(Attempt& attempt);
  void SendExited(Attempt& attempt);
  void RefuseUnknown(AttemptEpoch epoch, std::string why);
  void Retire(AttemptEpoch epoch);
  void TickAttempt(Attempt& attempt);

  // machine_hang.cc: ranks that hang, lag or use too much memory.
  void On(const Observed& input);
  void On(const HangInspected& input);
  void SeeSteps(Attempt& attempt, const std::vector<wire::TrialRecord>& records);
  bool EndIfTooLarge(Attempt& attempt, const std::vector<RankSample>& ranks);
  void EndIfSilent(Attempt& attempt);
  void Suspect(Attempt& attempt, Hang hang);
  void Conclude(Attempt& attempt, const std::string& evidence);
  void TickHang(Attempt& attempt);
  void MakeNotice(Attempt& attempt, wire::NoticeKind kind, std::string text);
  void SendNotices(Attempt& attempt);

  // machine_spool.cc: reading, sending, acknowledgement.
  void On(const RecordsRead& input);
  void On(const LogRead& input);
  void OpenSpools(Attempt& attempt);
  void ReadOn(Attempt& attempt);
  void SendAgain(Attempt& attempt);
  void SendAgainIfSilent(Attempt& attempt);

  [[nodiscard]] bool Mutated(Mutation mutation) const { return options_.mutation == mutation; }
  void Send(wire::Message message);
  Attempt* Find(AttemptEpoch epoch);

  Options options_;
  Effects effects_;
  MonotonicTime now_;

  bool found_ = false;      ///< FoundAtStart came
  bool connected_ = false;  ///< a connection is up
  bool welcomed_ = false;   ///< ... and Welcome came over it
  CoordinatorEpoch coordinator_;
  MonotonicTime lease_from_;
  MonotonicTime beat_;  ///< the last Heartbeat or Hello
  std::int64_t sequence_ = 0;
  std::deque<std::pair<std::int64_t, MonotonicTime>> beats_;  ///< that asked, unanswered, bounded
  std::int64_t hellos_said_ = 0;
  std::deque<std::pair<std::int64_t, MonotonicTime>> hellos_;  ///< the same

  std::optional<wire::ExitCause> leaving_;
  MonotonicTime left_at_;
  MonotonicTime heard_;       ///< something of the coordinator
  std::string quit_why_;      ///< empty: the node stays
  bool quit_failed_ = false;  ///< as Quit::failed
  bool refused_ = false;
  bool quit_ = false;  ///< said

  std::map<AttemptEpoch, Attempt> attempts_;
  std::map<int, AttemptEpoch> slot_epochs_;  ///< the newest attempt each slot has seen
  std::set<AttemptEpoch> retired_;           ///< ended or refused here, bounded ...
  AttemptEpoch retired_below_;               ///< ... by counting everything up to here as retired
};

}  // namespace muster::agent
