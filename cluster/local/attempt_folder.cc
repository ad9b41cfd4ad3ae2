#include "cluster/local/attempt_folder.h"

#include <sys/wait.h>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <cstring>

#include "runtime/base/file.h"
#include "runtime/wire/codec.h"

namespace muster::wire {
// The codec's names of an enum that messages.cc keeps to itself.
BOOST_DESCRIBE_ENUM(ExitCause, kSuccess, kResume, kUser, kOom, kNode, kPreempt, kWalltime, kHang,
                    kInfra, kFenced, kStopped)
}  // namespace muster::wire

namespace muster::cluster::local {

BOOST_DESCRIBE_ENUM(ShimPhase, kPrepared, kRunning, kFailed)
BOOST_DESCRIBE_STRUCT(ProcessId, (), (pid, start_ticks))
BOOST_DESCRIBE_STRUCT(RankProcess, (), (rank, process))
BOOST_DESCRIBE_STRUCT(RankEnd, (), (rank, code, text, out_of_memory))
BOOST_DESCRIBE_STRUCT(ShimState, (),
                      (phase, shim, address, port, ranks, ends, all_ended, launcher_end, message))
BOOST_DESCRIBE_STRUCT(EndNote, (), (cause, message))

namespace {

constexpr std::size_t kSocketPathMax = 100;  // sun_path holds 108

template <typename T>
Result<T> ReadJson(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file));
  auto value = wire::Decode<T>(text);
  if (!value.ok()) return Corrupt(file.string() + ": " + value.error().message);
  return value;
}

std::filesystem::path SocketPath(const AttemptFolder& folder, const std::string& home_id,
                                 const char* name) {
  const auto near = folder.path() / name;
  return near.native().size() <= kSocketPathMax ? near : folder.Scratch(home_id) / name;
}

}  // namespace

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

std::filesystem::path AttemptFolder::output(int rank, const std::string& stream) const {
  return path_ / ("rank" + std::to_string(rank) + "." + stream);
}
std::filesystem::path AttemptFolder::control_socket(const std::string& home_id) const {
  return SocketPath(*this, home_id, "control");
}
std::filesystem::path AttemptFolder::agent_socket(const std::string& home_id) const {
  return SocketPath(*this, home_id, "agent");
}
std::filesystem::path AttemptFolder::Scratch(const std::string& home_id) const {
  std::error_code ignored;
  if (!std::filesystem::is_directory("/dev/shm", ignored)) return path_ / "scratch";
  return "/dev/shm/muster-" + home_id + "-" + path_.filename().string();
}

Status AttemptFolder::WritePrepare(const wire::Prepare& prepare) const {
  return WriteFileAtomically(path_ / "prepare.json",
                             wire::EncodeEnvelope({.major = 1, .message = prepare}) + "\n", 0600);
}
Result<wire::Prepare> AttemptFolder::ReadPrepare() const {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path_ / "prepare.json"));
  MUSTER_ASSIGN_OR_RETURN(wire::Envelope envelope, wire::DecodeEnvelope(text));
  auto* prepare = std::get_if<wire::Prepare>(&envelope.message);
  if (prepare == nullptr) return Corrupt((path_ / "prepare.json").string() + " is not a prepare");
  return std::move(*prepare);
}
Status AttemptFolder::WriteState(const ShimState& state) const {
  return ReplaceFile(path_ / "state.json", wire::Encode(state) + "\n");
}
Result<ShimState> AttemptFolder::ReadState() const {
  return ReadJson<ShimState>(path_ / "state.json");
}
Status AttemptFolder::WriteCgroups(const std::vector<std::filesystem::path>& groups) const {
  std::string lines;
  for (const auto& group : groups) lines += group.string() + "\n";
  return ReplaceFile(path_ / "cgroups", lines);
}
std::vector<std::filesystem::path> AttemptFolder::ReadCgroups() const {
  const auto text = ReadWholeFile(path_ / "cgroups");
  std::vector<std::filesystem::path> groups;
  for (std::size_t at = 0; text.ok() && at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    groups.emplace_back(text->substr(at, end - at));
    at = end + 1;
  }
  return groups;
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
