#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/agent/agent.h"
#include "runtime/sim/world.h"

/// One attempt's part on a simulated machine: its folder on disk, its shim, its ranks and the children they left.
/// It lives on when the agent dies; when the machine dies, only the folder is left.

namespace muster::sim {

/// What a gang's ranks are going to do; drawn once an attempt.
struct Fate {
  enum class Kind { kFinish, kFail, kOom, kHang, kResume, kShimLost };
  Kind kind = Kind::kFinish;
  std::int64_t steps = 1;    ///< of the whole trial
  std::int64_t at_step = 0;  ///< where a kind other than kFinish happens
  bool ignores_term = false;
  bool escapes = false;
  bool script = false;  ///< logs through MLflow's client instead of the control socket
};

struct SpoolLine {
  std::int64_t end = 0;  ///< offset after it
  wire::TrialRecord record;
};

class Gang {
 public:
  struct Events {  ///< to the process side of the agent, if one watches
    std::function<void(agent::RanksExited::Rank)> rank_exited;
    std::function<void()> shim_lost;
    std::function<void()> spool_grew;
  };

  Gang(World& world, wire::Prepare prepare, Events events);
  ~Gang();
  Gang(const Gang&) = delete;
  Gang& operator=(const Gang&) = delete;

  // The folder.
  wire::Prepare prepare;
  wire::AttemptPhase phase = wire::AttemptPhase::kPreparing;  ///< as FoundAttempt has it
  std::optional<wire::ExitCause> end_cause;
  std::string end_message;
  std::vector<SpoolLine> records;
  std::map<std::string, std::int64_t> logs;
  std::vector<agent::RanksExited::Rank> exits;

  /// The shim makes the checkpoint folder; a clone's becomes a copy of what it starts from.
  void MakeFolder();
  /// The shim lets the ranks go. `self` keeps the timers from outliving the gang.
  void Start(const std::weak_ptr<Gang>& self);
  void Terminate(const std::weak_ptr<Gang>& self);  ///< SIGTERM to the ranks
  void KillNow();  ///< SIGKILL to all but what escaped; what the shim saw of it is in `exits`
  void KillEscaped() { escaped_ = false; }
  void LoseRank();  ///< somebody kills one of them, whatever it is doing
  void LoseShim();
  void LosePower();  ///< the machine stops; the spool may lose its tail

  [[nodiscard]] bool AnyProcess() const { return shim_ || escaped_ || LivingRanks() > 0; }
  [[nodiscard]] bool Escaped() const { return escaped_; }
  [[nodiscard]] bool ShimLives() const { return shim_; }
  [[nodiscard]] int LivingRanks() const;
  [[nodiscard]] bool AllExitsSeen() const;
  [[nodiscard]] std::int64_t records_end() const {
    return records.empty() ? 0 : records.back().end;
  }

 private:
  [[nodiscard]] int WorldSize() const;
  void Step(const std::weak_ptr<Gang>& self);
  void Meet(const std::weak_ptr<Gang>& self);
  [[nodiscard]] wire::TrialRecord RecordOf(wire::RecordType type) const;
  [[nodiscard]] std::map<std::string, double> Score() const;
  void Append(wire::TrialRecord record);
  void Save();
  bool LogStep();
  void EndRank(int rank, int code, bool oom = false);
  void EndRankLater(const std::weak_ptr<Gang>& self, int rank, int code, Micros delay);
  void ScheduleStep(const std::weak_ptr<Gang>& self);

  World& world_;
  Events events_;
  Fate fate_;
  bool shim_ = true;
  bool escaped_ = false;
  bool ending_ = false;  ///< the ranks take no further step
  std::vector<bool> alive_;
  std::int64_t step_ = 0;
  std::int64_t kept_level_ = 0;  ///< of the newest copy
};

}  // namespace muster::sim
