#include "cluster/local/checkpoint_push.h"

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <system_error>
#include <utility>
#include <vector>

#include "cluster/local/spawn.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/wire/trial_record.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::chrono::seconds kRetryMost = 30s;
constexpr int kBarrenPullsMost = 2;

/// The program with the subcommand `checkpoints`: the shim's own has no HTTP.
Result<fs::path> ProgramOf() {
  std::error_code error;
  const auto self = fs::read_symlink("/proc/self/exe", error);
  if (error) return IoError("read /proc/self/exe", error.value());
  return self.filename() == "muster-shim" ? self.parent_path() / "muster" : self;
}

Result<int> Run(const AttemptFolder& folder, const std::string& home_id,
                std::vector<std::string> words, const fs::path& log) {
  MUSTER_ASSIGN_OR_RETURN(const fs::path program, ProgramOf());
  Environment environment = CleanEnvironment();
  environment["MUSTER_HOME_ID"] = home_id;
  environment["MUSTER_ATTEMPT"] = folder.path().filename().string();
  std::vector<std::string> command{program.string(), "checkpoints"};
  command.insert(command.end(), words.begin(), words.end());
  return Spawn({.command = std::move(command),
                .environment = std::move(environment),
                .working_dir = "/",
                .out = log,
                .err = log});
}

/// Differs, most probably, once a file was written.
std::size_t StampOf(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code none;
    if (entry->is_directory(none)) continue;
    files.push_back(entry->path().string() + " " + std::to_string(entry->file_size(none)) + " " +
                    std::to_string(entry->last_write_time(none).time_since_epoch().count()));
  }
  std::ranges::sort(files);
  std::string all;
  for (const std::string& file : files) all += file + "\n";
  return std::hash<std::string>()(all);
}

std::uintmax_t BytesIn(const fs::path& folder) {
  std::uintmax_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::error_code none;
    const std::uintmax_t size = entry.file_size(none);
    if (!none) bytes += size;
  }
  return bytes;
}

std::string LastLine(const fs::path& file) {
  auto text = ReadWholeFile(file);
  if (!text.ok()) return text.error().message;
  while (text->ends_with('\n')) text->pop_back();
  return text->substr(text->rfind('\n') + 1);
}

}  // namespace

bool SharesCheckpoints(const wire::Prepare& prepare) {
  if (prepare.checkpoint_url.empty() || prepare.checkpoint_dir.empty()) return true;
  if (prepare.checkpoint_store.empty()) return false;
  // <root>/<sweep>/<number>
  const fs::path root = fs::path(prepare.checkpoint_dir).parent_path().parent_path();
  const auto store = ReadWholeFile(root / kCheckpointStore);
  return store.ok() && *store == prepare.checkpoint_store;
}

Status PullCheckpoints(const AttemptFolder& folder, const std::string& home_id) {
  const fs::path log = folder.run() / "pull.log";
  int status = 0;
  std::uintmax_t before = 0;
  for (int barren = 0; barren < kBarrenPullsMost;) {
    MUSTER_ASSIGN_OR_RETURN(const int pid,
                            Run(folder, home_id, {"pull", folder.path().string()}, log));
    while (waitpid(pid, &status, 0) < 0) {
      if (errno != EINTR) return IoError("wait for muster checkpoints pull", errno);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Ok();
    const std::uintmax_t there = BytesIn(folder.arriving());
    barren = there > before ? 0 : barren + 1;
    before = there;
  }
  return Unavailable("the trial's checkpoint does not come to this node: " +
                     DescribeEnd(0, status).text + ": " + LastLine(log) +
                     "; let the node see the server's folder of checkpoints, or reach the server "
                     "there (muster agent join --checkpoints; cluster/storage.md)");
}

CheckpointPush::CheckpointPush(const AttemptFolder& folder, std::string home_id,
                               const wire::Prepare& prepare)
    : folder_(folder),
      home_id_(std::move(home_id)),
      place_(prepare.checkpoint_dir),
      keeper_(prepare),
      first_rank_(prepare.first_rank),
      brought_(StampOf(folder.checkpoints())) {}

bool CheckpointPush::IsNeededBy(std::string_view line) {
  // Most lines are metrics: they are not decoded for this.
  if (line.find("\"checkpoint\"") == line.npos && line.find("\"result\"") == line.npos)
    return false;
  const auto record = wire::DecodeRecord(line);
  return record.ok() && (record->type == wire::RecordType::kCheckpoint ||
                         record->type == wire::RecordType::kResult);
}

bool CheckpointPush::Begin(std::string_view line, MonotonicTime now) {
  if (process_.pid != 0 || now < not_before_) return false;
  const auto record = wire::DecodeRecord(line);
  const bool checkpoint = record.ok() && record->type == wire::RecordType::kCheckpoint;
  bringing_ = StampOf(folder_.checkpoints());
  // A checkpoint is looked at whole: its files may be as old as those before it, by a coarse clock.
  if (!checkpoint && bringing_ == brought_) return true;
  std::vector<std::string> words{"push", folder_.path().string()};
  keep_.reset();
  if (checkpoint && keeper_.IsDue(record->step)) {
    keep_ = record->step;
    words.push_back(std::to_string(*keep_));
  }
  // Where people look when a trial stands still.
  const auto pid = Run(folder_, home_id_, std::move(words), folder_.output(first_rank_, "err"));
  if (!pid.ok()) {
    LogError("shim", pid.error().message);
    not_before_ = now + kRetryMost;
    return false;
  }
  const auto process = IdentifyProcess(*pid);
  process_ = process.ok() ? *process : ProcessId();
  process_.pid = *pid;  // of one that has ended already as well
  return false;
}

bool CheckpointPush::Reap(MonotonicTime now) {
  int status = 0;
  if (process_.pid == 0 || waitpid(process_.pid, &status, WNOHANG) != process_.pid) return false;
  process_ = {};
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code != 0 && code != kPushedNotKept) {
    not_before_ = now + std::min(kRetryMost, std::chrono::seconds(1 << std::min(failures_, 5)));
    ++failures_;
    LogWarning("shim",
               "a checkpoint's record waits for its files, which the server does not have: "
               "muster checkpoints push: " +
                   DescribeEnd(0, status).text);
    return false;
  }
  failures_ = 0;
  brought_ = bringing_;
  if (keep_ && code == 0) keeper_.NoteKept(*keep_);
  return true;
}

std::string CheckpointPush::Published(std::string_view line) const {
  auto record = wire::DecodeRecord(line);
  if (!record.ok()) return std::string(line);
  const std::string own = folder_.checkpoints().string();
  if (record->path.starts_with(own)) record->path.replace(0, own.size(), place_);
  if (record->type == wire::RecordType::kCheckpoint && keeper_.wanted())
    record->kept = keeper_.IsKept(record->step);
  return wire::EncodeRecord(*record);
}

}  // namespace muster::cluster::local
