#include "cluster/local/attempt_folder.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "cluster/local/order.h"
#include "runtime/base/file.h"
#include "runtime/wire/codec.h"

namespace muster::wire {
// The codec's names of what messages.cc keeps to itself.
BOOST_DESCRIBE_ENUM(ExitCause, kSuccess, kResume, kUser, kOom, kNode, kPreempt, kWalltime, kHang,
                    kInfra, kFenced, kStopped)
BOOST_DESCRIBE_STRUCT(ResourceUse, (), (cpu_ms, memory_bytes, gpu_ms))
}  // namespace muster::wire

namespace muster::cluster::local {

BOOST_DESCRIBE_ENUM(ShimPhase, kPrepared, kRunning, kFailed)
BOOST_DESCRIBE_STRUCT(ProcessId, (), (pid, start_ticks))
BOOST_DESCRIBE_STRUCT(RankProcess, (), (rank, process))
BOOST_DESCRIBE_STRUCT(RankEnd, (), (rank, code, text, out_of_memory, told))
BOOST_DESCRIBE_STRUCT(ShimState, (),
                      (phase, shim, address, port, ranks, ends, all_ended, empty, launcher_end,
                       message, pusher, cpu_ms, memory_bytes))
BOOST_DESCRIBE_STRUCT(EndNote, (), (cause, message))

namespace {

constexpr std::size_t kSocketPathMax = 100;  // sun_path holds 108
constexpr uid_t kPeopleFrom = 1000;  // smaller ids are the system's (login.defs, SYS_UID_MAX)

template <typename T>
Result<T> ReadJson(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file));
  auto value = wire::Decode<T>(text);
  if (!value.ok()) return Corrupt(file.string() + ": " + value.error().message);
  return value;
}

/// Where files live until the machine stops, without a disk; empty: nowhere.
std::filesystem::path Memory() {
  std::error_code ignored;
  return std::filesystem::is_directory("/dev/shm", ignored) ? "/dev/shm" : "";
}

}  // namespace

Status MakePrivate(const std::filesystem::path& folder) {
  if (mkdir(folder.c_str(), 0700) == 0) return Ok();
  if (errno != EEXIST) return IoError("make " + folder.string(), errno);
  struct stat found{};
  const bool ours = lstat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode) &&
                    found.st_uid == geteuid() && (found.st_mode & 077) == 0;
  return ours ? Ok() : Status(Conflict(folder.string() + " is somebody else's"));
}

RankEnd DescribeEnd(int rank, int wait_status) {
  RankEnd end{.rank = rank};
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    const char* name = sigabbrev_np(signal);
    end.code = 128 + signal;
    end.text = "killed by signal " + std::to_string(signal) +
               (name == nullptr ? "" : std::string(" (SIG") + name + ")");
  } else {
    end.code = WEXITSTATUS(wait_status);
    end.text = "exit " + std::to_string(end.code);
  }
  return end;
}

AttemptFolder::AttemptFolder(std::filesystem::path path, std::string_view home_id)
    : path_(std::move(path)) {
  const auto memory = Memory();
  const std::string ours = "muster-" + std::string(home_id) + "-";
  const auto epoch = path_.filename();
  scratch_ = memory.empty() ? path_ / "scratch" : memory / (ours + epoch.string());
  run_ = memory.empty() || geteuid() >= kPeopleFrom ? path_ : memory / (ours + "run") / epoch;
}

std::filesystem::path AttemptFolder::output(int rank, const std::string& stream) const {
  return path_ / ("rank" + std::to_string(rank) + "." + stream);
}
std::filesystem::path AttemptFolder::beat(int rank) const {
  return run_ / ("rank" + std::to_string(rank) + ".beat");
}
std::filesystem::path AttemptFolder::Socket(const char* name) const {
  const auto near = run_ / name;
  return near.native().size() <= kSocketPathMax ? near : scratch_ / name;
}
std::filesystem::path AttemptFolder::control_socket() const { return Socket("control"); }
std::filesystem::path AttemptFolder::agent_socket() const { return Socket("agent"); }

Status AttemptFolder::MakeRun() const {
  if (run_ == path_) return Ok();
  MUSTER_RETURN_IF_ERROR(MakePrivate(run_.parent_path()));
  return MakePrivate(run_);
}

Status AttemptFolder::WritePrepare(const wire::Prepare& prepare) const {
  return OverwriteFile(path_ / "prepare.json",
                       wire::EncodeEnvelope({.major = 1, .message = prepare}) + "\n", 0600);
}
Result<wire::Prepare> AttemptFolder::ReadPrepare() const {
  const auto file = path_ / "prepare.json";
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file));
  if (text.find_first_not_of('\0') == std::string::npos)
    return NotFound(file.string() + " is empty");
  MUSTER_ASSIGN_OR_RETURN(wire::Envelope envelope, wire::DecodeEnvelope(text));
  auto* prepare = std::get_if<wire::Prepare>(&envelope.message);
  if (prepare == nullptr) return Corrupt(file.string() + " is not a prepare");
  return std::move(*prepare);
}
Status AttemptFolder::WriteState(const ShimState& state) const {
  return ReplaceFile(state_file(), wire::Encode(state) + "\n");
}
Result<ShimState> AttemptFolder::ReadState() const { return ReadJson<ShimState>(state_file()); }
Status AttemptFolder::WriteCgroups(const std::vector<std::filesystem::path>& groups) const {
  std::string lines;
  for (const auto& group : groups) lines += group.string() + "\n";
  return ReplaceFile(run_ / "cgroups", lines);
}
std::vector<std::filesystem::path> AttemptFolder::ReadCgroups() const {
  const auto text = ReadWholeFile(run_ / "cgroups");
  std::vector<std::filesystem::path> groups;
  for (std::size_t at = 0; text.ok() && at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    groups.emplace_back(text->substr(at, end - at));
    at = end + 1;
  }
  return groups;
}
Status AttemptFolder::WriteBinding(const std::vector<RankCpus>& ranks) const {
  std::string lines;
  for (const RankCpus& rank : ranks)
    lines += CpuListText(rank.held) + " " + CpuListText(rank.cpus) + "\n";
  return ReplaceFile(run_ / "binding", lines);
}
std::vector<RankCpus> AttemptFolder::ReadBinding() const {
  const auto text = ReadWholeFile(run_ / "binding");
  std::istringstream words(text.ok() ? *text : "");
  std::vector<RankCpus> ranks;
  for (std::string held, cpus; words >> held >> cpus;)
    ranks.push_back({.held = CpuListFromText(held), .cpus = CpuListFromText(cpus)});
  return ranks;
}
Status AttemptFolder::WriteGang(const std::vector<wire::GangPart>& parts) const {
  return ReplaceFile(run_ / "gang.json", wire::Encode(parts) + "\n");
}
Result<std::vector<wire::GangPart>> AttemptFolder::ReadGang() const {
  return ReadJson<std::vector<wire::GangPart>>(run_ / "gang.json");
}
Status AttemptFolder::WriteUsed(const wire::ResourceUse& used) const {
  return ReplaceFile(run_ / "used.json", wire::Encode(used) + "\n");
}
Result<wire::ResourceUse> AttemptFolder::ReadUsed() const {
  return ReadJson<wire::ResourceUse>(run_ / "used.json");
}
Status AttemptFolder::WriteEndNote(const EndNote& note) const {
  return ReplaceFile(path_ / "end.json", wire::Encode(note) + "\n");
}
Result<EndNote> AttemptFolder::ReadEndNote() const { return ReadJson<EndNote>(path_ / "end.json"); }
Status AttemptFolder::WriteRankProcess(const RankProcess& process) const {
  return ReplaceFile(output(process.rank, "pid"), wire::Encode(process) + "\n");
}
Result<RankProcess> AttemptFolder::ReadRankProcess(int rank) const {
  return ReadJson<RankProcess>(output(rank, "pid"));
}
Status AttemptFolder::WriteRankEnd(const RankEnd& end) const {
  return ReplaceFile(output(end.rank, "exit"), wire::Encode(end) + "\n");
}
Result<RankEnd> AttemptFolder::ReadRankEnd(int rank) const {
  return ReadJson<RankEnd>(output(rank, "exit"));
}

}  // namespace muster::cluster::local
