#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/order.h"
#include "cluster/local/record_server.h"
#include "cluster/local/spawn.h"
#include "cluster/local/start_server.h"
#include "runtime/base/clock.h"

/// The inside of `muster shim`; nobody else includes it. shim.cc holds its turns, shim_mpi.cc what mpirun adds.

namespace muster::cluster::local {

class Shim {
 public:
  Shim(std::filesystem::path folder, std::string home_id)
      : folder_(std::move(folder), home_id), home_id_(std::move(home_id)) {}

  Status Prepare();
  void Loop();
  void Fail(const Error& error);

 private:
  Status PrepareCheckpoints();
  void DropCheckpoints() const;
  void Poll();
  void ServeAgent();
  void Obey(const std::string& line);
  void Start(const Order& order);
  Status StartLocal(const Environment& environment);
  // shim_mpi.cc
  Status StartMpi(Environment environment, const std::vector<wire::GangPart>& parts);
  void StartDaemon();
  void LauncherEnded(int status);
  void CollectMpi();
  bool IsNoNews(const RankEnd& end);
  void SeeIfLetGo();
  void TellIfNobodyDid();
  // shim.cc
  void SignalRanks(int signal);
  void Reap();
  bool WaitsForPush(int code);
  void AddEnd(RankEnd end);
  void SeeIfEmpty();
  [[nodiscard]] bool HasEnded(int rank) const;
  [[nodiscard]] bool AllHaveEnded() const {
    return static_cast<int>(state_.ends.size()) == prepare_.ranks;
  }
  /// mpirun spreads the gang over nodes, and this has a part of it.
  [[nodiscard]] bool IsPart() const { return !prepare_.start_secret.empty(); }
  void SaveIfChanged();
  void KillAll() const;
  void KillIfOrphaned();

  AttemptFolder folder_;
  std::string home_id_;
  wire::Prepare prepare_;
  ShimState state_;
  bool changed_ = false;  // state_ is newer than the file
  bool started_ = false;  // an order to start was taken
  int launcher_ = 0;      // pid of mpirun, or of its daemon, while it lives
  std::int64_t oom_kills_ = 0;
  std::vector<std::filesystem::path> groups_;  // that the ranks are in
  std::optional<MonotonicTime> lease_;         // of the last look
  bool orphaned_ = false;
  int children_fd_ = -1;  // signalfd of SIGCHLD
  int folder_fd_ = -1;    // inotify: files of `muster rank` appear
  int agent_fd_ = -1;
  int port_fd_ = -1;
  std::map<int, std::string> agent_connections_;
  RecordServer records_;
  StartServer starts_;                        // of mpirun's daemon, but on the gang's first node
  std::optional<Environment> daemon_;         // the daemon's, once it may be started
  std::vector<int> told_;                     // ranks that ended because mpirun asked them to
  std::optional<MonotonicTime> nobody_told_;  // why the gang ended: then this part says what it saw
  std::string launcher_said_;
};

}  // namespace muster::cluster::local
