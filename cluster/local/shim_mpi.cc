#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "cluster/local/contract.h"
#include "cluster/local/shim_impl.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"

// A gang of mpirun. On the gang's first node the shim starts mpirun; on each other one mpirun's daemon, the parent of
// the ranks there, when mpirun asks for it through `muster remote-start`.
//
// When one part fails, mpirun ends the ranks of all the others in no time: often before the agent of that part has said
// why. So ends that mpirun asked for are no news; the coordinator hears of the first cause from where it is, and stops
// this part. Only when it does not, because the cause was with mpirun itself, this part says what it saw.

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;

constexpr auto kOthersTellMost = 5s;
/// The same where it is already known that mpirun itself is in trouble.
constexpr auto kFirstNodeTellsMost = 1s;
constexpr std::size_t kLogTailBytes = 1000;

/// What `muster remote-start` has to say, else the end of mpirun's log.
std::string LastWords(const std::filesystem::path& file) {
  auto text = ReadWholeFile(file);
  if (!text.ok()) return "its last words: none";
  std::string ours;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    const std::string_view line = std::string_view(*text).substr(at, end - at);
    if (line.starts_with(kToldByMuster))
      ours += (ours.empty() ? "" : "; ") + std::string(line.substr(kToldByMuster.size()));
    at = end + 1;
  }
  if (!ours.empty()) return ours.substr(0, kLogTailBytes);
  return "its last words: " + text->substr(text->size() - std::min(text->size(), kLogTailBytes));
}

}  // namespace

Status Shim::StartMpi(Environment environment, const std::vector<wire::GangPart>& parts) {
  const auto node_rank = static_cast<std::size_t>(prepare_.node_rank);
  if (IsPart() && node_rank >= parts.size()) {
    return Invalid("the order to start names " + std::to_string(parts.size()) +
                   " nodes of the gang, and this is number " + std::to_string(node_rank));
  }
  const std::string address = IsPart() ? parts[node_rank].address : "";
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return IoError("read /proc/self/exe", error.value());
  environment[kAttemptDir] = folder_.path().string();
  if (IsPart()) environment[kNodeAddress] = address;
  AddMpiSettings(environment, self, folder_.scratch(), address);
  if (node_rank > 0) {
    daemon_ = std::move(environment);
    return Ok();
  }
  if (IsPart() && self.native().find_first_of(" :") != std::string::npos) {
    return Unsupported("mpirun cannot start a gang on several nodes with a muster that lies at " +
                       self.string() + ": it takes blanks and colons for separators");
  }
  if (IsPart()) MUSTER_RETURN_IF_ERROR(folder_.WriteGang(parts));
  // Folders of this node may not be there on others; `muster rank` enters its own.
  const SpawnRequest request{
      .command = MpirunCommand(self, prepare_, IsPart() ? parts : std::vector<wire::GangPart>{}),
      .environment = std::move(environment),
      .working_dir = "/",
      .out = folder_.launcher_log(),
      .err = folder_.launcher_log(),
      .own_group = true,
      .cgroups = groups_};
  MUSTER_ASSIGN_OR_RETURN(launcher_, Spawn(request));
  return Ok();
}

/// Once mpirun asked for it and the coordinator said Go, whichever came first.
void Shim::StartDaemon() {
  starts_.Serve(SystemClock().Now());
  if (!daemon_) return;
  auto command = starts_.Take();
  if (!command) return;
  // As ssh would, by a shell; which is to become the daemon, not to wait for it.
  command->erase(0, command->find_first_not_of(' '));
  if (command->starts_with("orted ")) command->insert(0, "exec ");
  const SpawnRequest request{.command = {"/bin/sh", "-c", *command},
                             .environment = *std::exchange(daemon_, std::nullopt),
                             .working_dir = "/",
                             .out = folder_.launcher_log(),
                             .err = folder_.launcher_log(),
                             .own_group = true,
                             .cgroups = groups_};
  const auto pid = Spawn(request);
  if (pid.ok()) {
    launcher_ = *pid;
    return;
  }
  starts_.Answer({.code = 1, .error = pid.error().message});
  Fail(pid.error().With("mpirun's daemon"));
}

void Shim::LauncherEnded(int status) {
  launcher_ = 0;
  changed_ = true;
  const bool first = prepare_.node_rank == 0;
  const RankEnd end = DescribeEnd(0, status);
  starts_.Answer({.code = end.code, .error = {}});
  const bool killed = WIFSIGNALED(status);  // by its code alone mpirun may say how a rank ended
  // When it was killed, how the ranks end because of it is no news; when it ended by itself, their ends came first.
  if (!killed) CollectMpi();
  if (AllHaveEnded()) {
    state_.all_ended = true;
    return;
  }
  if (launcher_said_.empty()) {
    launcher_said_ = (first ? "mpirun: " : "mpirun's daemon: ") + end.text + "; " +
                     LastWords(folder_.launcher_log());
  }
  const bool rank_failed =
      std::ranges::any_of(state_.ends, [](const RankEnd& rank) { return rank.code != 0; });
  if (state_.ranks.empty() && (first || killed)) {
    Fail(Internal("no rank started; " + launcher_said_));
  } else if (!killed && rank_failed) {
    state_.all_ended = true;  // mpirun took the others down with the one that failed
  } else if (!killed && IsPart()) {
    if (!nobody_told_) nobody_told_ = SystemClock().Now() + kOthersTellMost;
  } else {
    state_.launcher_end = launcher_said_;
  }
  if (state_.phase == ShimPhase::kPrepared) state_.phase = ShimPhase::kRunning;
}

bool Shim::IsNoNews(const RankEnd& end) {
  if (!IsPart() || !end.told) return false;
  told_.push_back(end.rank);
  if (!nobody_told_) nobody_told_ = SystemClock().Now() + kOthersTellMost;
  return true;
}

/// mpirun gives a gang up when it loses a daemon, and knows no more of why than that. Where it was killed, or its node's
/// shim, the agent there says so first.
void Shim::SeeIfLetGo() {
  if (!starts_.TakeAskerLost() || launcher_ == 0 || !state_.ends.empty() || !told_.empty()) return;
  launcher_said_ = "muster remote-start, by which mpirun holds this node's part, was killed";
  nobody_told_ = SystemClock().Now() + kFirstNodeTellsMost;
}

void Shim::TellIfNobodyDid() {
  if (!nobody_told_ || SystemClock().Now() < *nobody_told_) return;
  nobody_told_.reset();
  state_.launcher_end =
      launcher_said_.empty() ? "mpirun ended the ranks of this node" : launcher_said_;
  changed_ = true;
}

/// Takes note of the files that `muster rank` wrote.
void Shim::CollectMpi() {
  if (prepare_.launcher != wire::LauncherKind::kMpi || !started_) return;
  for (const int rank : RanksOf(prepare_)) {
    const bool known = std::ranges::any_of(
        state_.ranks, [&](const RankProcess& process) { return process.rank == rank; });
    if (!known) {
      const auto process = folder_.ReadRankProcess(rank);
      const bool ended =
          !process.ok() && folder_.ReadRankEnd(rank).ok();  // it could not be started
      if (process.ok()) state_.ranks.push_back(*process);
      if (ended) state_.ranks.push_back({.rank = rank});
      changed_ = changed_ || process.ok() || ended;
    }
    if (HasEnded(rank)) continue;
    auto end = folder_.ReadRankEnd(rank);
    if (!end.ok()) continue;
    if (WaitsForPush(end->code)) return;
    AddEnd(std::move(end).value());
  }
  if (state_.phase == ShimPhase::kPrepared &&
      static_cast<int>(state_.ranks.size()) == prepare_.ranks) {
    state_.phase = ShimPhase::kRunning;
    changed_ = true;
  }
}

}  // namespace muster::cluster::local
