#include "cluster/local/process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>

extern "C" {  // glibc 2.36 forgot to say so
#include <sys/pidfd.h>
}

namespace muster::cluster::local {
namespace {

constexpr int kKernelThreads = 2;  // pid of their parent

}  // namespace

Result<std::string> ReadProcFile(int pid, const char* name) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  const auto failure = [&path](int error_number) {
    Error error = IoError("read " + path, error_number);
    if (error_number == ENOENT || error_number == ESRCH) error.kind = ErrorKind::kNotFound;
    if (error_number == EACCES || error_number == EPERM) error.kind = ErrorKind::kUnauthorized;
    return error;
  };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failure(errno);
  std::string text;
  std::array<char, 4096> buffer;
  ssize_t got = 0;
  while ((got = read(fd, buffer.data(), buffer.size())) != 0) {
    if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
    if (got < 0 && errno != EINTR) break;
  }
  const int read_errno = errno;
  close(fd);
  if (got < 0) return failure(read_errno);
  return text;
}

namespace {

/// proc(5): pid (comm) state ppid ...; comm may hold anything, so fields count from the last ')'. Errors
/// as ReadProcFile.
Result<ProcessStat> ReadStat(int pid) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadProcFile(pid, "stat"));
  const std::size_t name_end = text.rfind(") ");
  if (name_end == std::string::npos)
    return Corrupt("/proc/" + std::to_string(pid) + "/stat: '" + text + "'");
  std::string_view rest = std::string_view(text).substr(name_end + 2);
  ProcessStat stat{.id = {.pid = pid}};
  for (int field = 3; field <= 24 && !rest.empty(); ++field) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    std::int64_t number = 0;
    std::from_chars(word.data(), word.data() + word.size(), number);
    if (field == 3) stat.state = word.front();
    if (field == 4) stat.parent = static_cast<int>(number);
    if (field == 10) stat.faults = number;
    if (field == 12) stat.disk_faults = number;
    if (field == 14 || field == 15) stat.cpu_ticks += number;
    if (field == 20) stat.threads = number;
    if (field == 22) stat.id.start_ticks = number;
    if (field == 24) stat.rss_pages = number;
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  }
  return stat;
}

/// The state is the first thread's; what the process holds is let go of by the last one.
bool IsDead(const ProcessStat& stat) {
  return (stat.state == 'Z' || stat.state == 'X') && stat.threads <= 1;
}

/// The epoch that the process is marked with, of this home; 0 when it is not. Errors as ReadProcFile.
Result<AttemptEpoch> ReadMark(int pid, const std::string& home_id) {
  MUSTER_ASSIGN_OR_RETURN(const std::string environment, ReadProcFile(pid, "environ"));
  std::string_view rest = environment;
  bool ours = false;
  AttemptEpoch epoch;
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    constexpr std::string_view kHome = "MUSTER_HOME_ID=";
    constexpr std::string_view kAttempt = "MUSTER_ATTEMPT=";
    if (entry.starts_with(kHome)) ours = entry.substr(kHome.size()) == home_id;
    if (entry.starts_with(kAttempt)) {
      std::from_chars(entry.data() + kAttempt.size(), entry.data() + entry.size(), epoch.value);
    }
  }
  return ours ? epoch : AttemptEpoch();
}

/// The process is gone, or nobody who could be of an attempt of ours.
bool IsNone(const Error& error) {
  return error.kind == ErrorKind::kNotFound || error.kind == ErrorKind::kUnauthorized;
}

}  // namespace

Result<ProcessId> IdentifyProcess(int pid) {
  const auto stat = ReadStat(pid);
  if (!stat.ok() && !IsNone(stat.error())) return stat.error();
  return stat.ok() && !IsDead(*stat) ? stat->id : ProcessId();
}

Result<bool> IsAlive(const ProcessId& process) {
  if (process.pid <= 0) return false;
  MUSTER_ASSIGN_OR_RETURN(const ProcessId now, IdentifyProcess(process.pid));
  return now == process;
}

bool SendSignal(const ProcessId& process, int signal) {
  if (process.pid <= 0) return false;
  const int fd = pidfd_open(process.pid, 0);
  if (fd < 0) return false;
  // The descriptor holds on to one process; if that one is ours now, the signal reaches no other.
  const auto alive = IsAlive(process);
  const bool sent = alive.ok() && *alive && pidfd_send_signal(fd, signal, nullptr, 0) == 0;
  close(fd);
  return sent;
}

Result<std::map<AttemptEpoch, AttemptProcesses>> ScanAttempts(const std::string& home_id) {
  std::map<int, ProcessStat> living;
  std::map<int, AttemptEpoch> epochs;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (!proc) return IoError("open /proc", errno);
  while (true) {
    errno = 0;
    const dirent* entry = readdir(proc.get());
    if (entry == nullptr && errno != 0) return IoError("list /proc", errno);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    int pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    const auto stat = ReadStat(pid);
    if (!stat.ok() && !IsNone(stat.error())) return stat.error();
    if (!stat.ok() || IsDead(*stat) || stat->parent == kKernelThreads) continue;
    const auto mark = ReadMark(pid, home_id);
    if (!mark.ok() && !IsNone(mark.error())) return mark.error();
    living[pid] = *stat;
    epochs[pid] = mark.ok() ? *mark : AttemptEpoch();
  }
  const int self = getpid();
  std::map<AttemptEpoch, AttemptProcesses> found;
  for (const auto& [pid, stat] : living) {
    AttemptEpoch epoch = epochs[pid];
    // Upwards to the nearest marked ancestor. The bound guards against a loop that a process made by
    // dying and being replaced between two reads.
    int ancestor = stat.parent;
    for (int depth = 0; epoch.value == 0 && ancestor > 1 && depth < 64; ++depth) {
      const auto parent = living.find(ancestor);
      if (parent == living.end()) break;
      epoch = epochs[ancestor];
      ancestor = parent->second.parent;
    }
    if (epoch.value == 0 || pid == self) continue;
    found[epoch].processes.push_back(stat.id);
    found[epoch].stats.push_back(stat);
    found[epoch].cpu_ticks += stat.cpu_ticks;
  }
  return found;
}

}  // namespace muster::cluster::local
