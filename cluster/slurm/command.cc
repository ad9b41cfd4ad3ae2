#include "cluster/slurm/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "runtime/base/clock.h"

namespace muster::cluster::slurm {
namespace {

constexpr std::size_t kOutMost = std::size_t{64} << 20;
constexpr std::size_t kErrMost = std::size_t{64} << 10;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  void Close() { *this = Fd(); }

 private:
  int fd_;
};

struct Pipe {
  Fd read, write;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return IoError("a pipe", errno);
  Pipe made{Fd(ends[0]), Fd(ends[1])};
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return made;
}

/// A file rather than a pipe: whoever does not read it blocks nobody.
Result<Fd> InputOf(const std::string& text) {
  Fd file(::memfd_create("input", MFD_CLOEXEC));
  if (file.get() < 0) return IoError("a file in memory", errno);
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(file.get(), text.data() + at, text.size() - at);
    if (written < 0) return IoError("a file in memory", errno);
    at += static_cast<std::size_t>(written);
  }
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return IoError("a file in memory", errno);
  return file;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// posix_spawnp would look in the caller's PATH.
std::string PathOf(const std::string& program, const Environment& environment) {
  if (program.find('/') != std::string::npos) return program;
  const auto path = environment.find("PATH");
  std::string_view rest = path == environment.end() ? std::string_view() : path->second;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string candidate = std::string(rest.substr(0, end)) + "/" + program;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return "";
}

Result<pid_t> Start(const Command& command, const Fd& input, const Pipe& out, const Pipe& err) {
  const std::string program = PathOf(command.arguments[0], command.environment);
  if (program.empty())
    return NotFound("there is no " + command.arguments[0] + " in PATH: is Slurm installed here?");
  std::vector<std::string> arguments = command.arguments;
  std::vector<std::string> settings;
  for (const auto& [name, value] : command.environment) settings.push_back(name + "=" + value);
  const auto argv = Pointers(arguments);
  const auto envp = Pointers(settings);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err.write.get(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, program.c_str(), &files, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (failed == ENOENT) return NotFound("cannot start " + program + ": " + std::strerror(failed));
  if (failed == EAGAIN || failed == ENOMEM)
    return ResourceExhausted("cannot start " + program + ": " + std::strerror(failed));
  if (failed != 0) return IoError("cannot start " + program, failed);
  return child;
}

/// Takes what is there. False at its end.
bool Drain(const Fd& from, std::string& to, std::size_t most) {
  std::array<char, 16'384> buffer;
  for (;;) {
    const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
    if (got > 0) {
      to.append(buffer.data(), std::min(static_cast<std::size_t>(got), most - to.size()));
    } else if (got == 0) {
      return false;
    } else if (errno != EINTR) {
      return errno == EAGAIN;
    }
  }
}

int CodeOf(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

Result<CommandResult> RunCommand(const Command& command) {
  const MonotonicTime end = SystemClock().Now() + command.deadline;
  MUSTER_ASSIGN_OR_RETURN(const Fd input, InputOf(command.input));
  MUSTER_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  MUSTER_ASSIGN_OR_RETURN(Pipe err, MakePipe());
  MUSTER_ASSIGN_OR_RETURN(const pid_t child, Start(command, input, out, err));
  out.write.Close();
  err.write.Close();
  // Its end, and not that of its output, is what is waited for: something that it left behind may hold that.
  const Fd watch(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  CommandResult result;
  std::array<pollfd, 3> events{
      {{watch.get(), POLLIN, 0}, {out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}}};
  bool ended = false;
  while (!ended) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - SystemClock().Now()).count();
    if (left <= 0 || result.out.size() == kOutMost) break;
    // Without a descriptor to watch it by, its end is looked for.
    const auto wait = watch.get() < 0 ? std::min<std::int64_t>(left, 20) : left;
    ::poll(events.data(), events.size(), static_cast<int>(std::min<std::int64_t>(wait, 60'000)));
    int status = 0;
    ended = ::waitpid(child, &status, WNOHANG) == child;
    if (ended) result.exit_code = CodeOf(status);
    if (events[1].fd >= 0 && !Drain(out.read, result.out, kOutMost)) events[1].fd = -1;
    if (events[2].fd >= 0 && !Drain(err.read, result.err, kErrMost)) events[2].fd = -1;
  }
  if (result.out.size() < kOutMost && ended) return result;
  ::kill(-child, SIGKILL);
  if (!ended) ::waitpid(child, nullptr, 0);
  if (result.out.size() == kOutMost)
    return ResourceExhausted(command.arguments[0] + " wrote more than 64 MiB");
  return Unavailable(command.arguments[0] + " did not end within " +
                     std::to_string(command.deadline.count()) + " ms");
}

Environment CommandEnvironment(const Environment& callers) {
  static constexpr std::array<std::string_view, 14> kPrefixes{
      "MUSTER_", "SLURM",   "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_",
      "SRUN_",   "SALLOC_", "OMPI_",   "PMIX_",   "PMI_",   "ORTE_",    "MLFLOW_"};
  static constexpr std::array<std::string_view, 7> kNames{
      "RANK",      "WORLD_SIZE",  "LOCAL_RANK", "LOCAL_WORLD_SIZE",
      "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"};
  Environment kept;
  for (const auto& [name, value] : callers) {
    const auto starts = [&name = name](std::string_view prefix) {
      return name.starts_with(prefix);
    };
    if (name != "SLURM_CONF" &&
        (std::ranges::any_of(kPrefixes, starts) || std::ranges::count(kNames, name) != 0)) {
      continue;
    }
    kept.emplace(name, value);
  }
  return kept;
}

}  // namespace muster::cluster::slurm
