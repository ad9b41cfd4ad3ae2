#include "cluster/local/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "cluster/rank_environment.h"

extern char** environ;

// AddressSanitizer keeps one return address for all vforks of a thread, which a second one within the first overwrites.
#ifdef __SANITIZE_ADDRESS__
#define MUSTER_VFORK() fork()
#else
#define MUSTER_VFORK() vfork()  // NOLINT(bugprone-unsafe-functions)
#endif

namespace muster::cluster::local {
namespace {

/// What the child tells through a pipe: its pid when it is detached, and why it cannot become the program.
struct Report {
  enum Step : int { kPid, kFork, kFolder, kInput, kOutput, kProgram } step;
  int number;  ///< the pid, else errno
};

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (auto& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Only async-signal-safe calls, and no write to what is not its own: the child of vfork runs in the caller's
/// memory, whose other threads go on, and on its stack. So it leaves at once for a function of its own that is not
/// inlined: within one, the compiler has both use the same places on the stack.
class Child {
 public:
  Child(const SpawnRequest& request, const std::string& program, char* const* argv,
        char* const* envp, char* const* groups, const cpu_set_t& cpus, int report_fd)
      : request_(request),
        program_(program),
        argv_(argv),
        envp_(envp),
        groups_(groups),
        cpus_(cpus),
        report_fd_(report_fd) {}

  /// Not fork: it copies the page tables of the whole caller, and exec throws them away. Not posix_spawn: it knows no
  /// parent-death signal, no control group, no grandchild, and does not say what failed.
  [[gnu::noinline]] int Fork(int parent) const {
    const int pid = MUSTER_VFORK();
    if (pid == 0) request_.detached ? BecomeDetached() : Become(parent);
    return pid;
  }

 private:
  /// The caller's child ends at once, so that its own child, which becomes the program, is taken in by init.
  [[noreturn, gnu::noinline]] void BecomeDetached() const {
    const int pid = MUSTER_VFORK();
    if (pid == 0) Become(0);
    if (pid < 0) Fail(Report::kFork);
    Tell({Report::kPid, pid});
    _exit(0);
  }

  [[noreturn, gnu::noinline]] void Become(int parent) const {
    if (request_.detached) setsid();
    if (request_.own_group) setpgid(0, 0);
    if (request_.die_with_parent && !request_.detached) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(127);  // it died before the line above
    }
    ResetSignals();
    if (!request_.working_dir.empty() && chdir(request_.working_dir.c_str()) != 0)
      Fail(Report::kFolder);
    Redirect("/dev/null", O_RDONLY, STDIN_FILENO, Report::kInput);
    const int append = O_WRONLY | O_CREAT | O_APPEND;
    if (!request_.out.empty())
      Redirect(request_.out.c_str(), append, STDOUT_FILENO, Report::kOutput);
    if (!request_.err.empty())
      Redirect(request_.err.c_str(), append, STDERR_FILENO, Report::kOutput);
    for (char* const* file = groups_; *file != nullptr; ++file) Enter(*file);
    if (!request_.cpus.empty() && sched_setaffinity(0, sizeof cpus_, &cpus_) != 0)
      Say("muster: this rank could not be bound to its CPUs\n");
    execve(program_.c_str(), argv_, envp_);
    Fail(Report::kProgram);
  }

  static void ResetSignals() {
    for (int number = 1; number < NSIG; ++number)
      signal(number, number == SIGUSR2 ? SIG_IGN : SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
  }
  void Redirect(const char* path, int flags, int target, Report::Step step) const {
    const int fd = open(path, flags | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, target) < 0) Fail(step);
  }
  /// A group that cannot be entered is no reason not to run: memory is watched as well.
  static void Enter(const char* file) {
    const int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "0", 1) == 1) {
      close(fd);
      return;
    }
    Say("muster: this rank could not enter its control group\n");
  }
  static void Say(std::string_view note) {
    [[maybe_unused]] const auto written = write(STDERR_FILENO, note.data(), note.size());
  }
  void Tell(const Report& report) const {
    [[maybe_unused]] const auto written = write(report_fd_, &report, sizeof report);
  }
  [[noreturn]] void Fail(Report::Step step) const {
    Tell({step, errno});
    _exit(127);
  }

  const SpawnRequest& request_;
  const std::string& program_;
  char* const* argv_;
  char* const* envp_;
  char* const* groups_;
  const cpu_set_t& cpus_;
  int report_fd_;
};

Error Explain(const SpawnRequest& request, const std::string& program, const Report& failure) {
  std::string what;
  if (failure.step == Report::kFork) {
    what = "fork";
  } else if (failure.step == Report::kFolder) {
    what = "cannot enter the working directory " + request.working_dir.string();
  } else if (failure.step == Report::kInput) {
    what = "cannot open /dev/null";
  } else if (failure.step == Report::kOutput) {
    what = "cannot open " + request.out.string();
  } else {
    what = "cannot start " + program;
  }
  return IoError(what, failure.number);
}

/// What the child writes itself into. Version 1 has a file for one thread, which is all the child has: the kernel
/// need not stop every fork of the machine for that, and wait for it (cgroup_procs_write_start).
std::string EntranceOf(const std::filesystem::path& group) {
  std::error_code ignored;
  const auto thread = group / "tasks";
  return (std::filesystem::exists(thread, ignored) ? thread : group / "cgroup.procs").string();
}

/// False at the end: every copy of the writing side is closed, by exec or exit.
bool ReadReport(int fd, Report& report) {
  ssize_t got = 0;
  while ((got = read(fd, &report, sizeof report)) < 0 && errno == EINTR) {
  }
  return got == sizeof report;
}

}  // namespace

Result<int> Spawn(const SpawnRequest& request) {
  MUSTER_CHECK(!request.command.empty(), "a command has a program");
  MUSTER_ASSIGN_OR_RETURN(
      const std::string program,
      FindProgram(request.command[0], {}, request.working_dir, request.environment));
  std::vector<std::string> arguments = request.command;
  std::vector<std::string> settings;
  std::vector<std::string> group_files;
  group_files.reserve(request.cgroups.size());
  for (const auto& group : request.cgroups) group_files.push_back(EntranceOf(group));
  for (const auto& [name, value] : request.environment) settings.push_back(name + "=" + value);
  const auto argv = Pointers(arguments);
  const auto envp = Pointers(settings);
  const auto groups = Pointers(group_files);
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  for (const int cpu : request.cpus) CPU_SET(cpu, &cpus);
  std::array<int, 2> report{};
  if (pipe2(report.data(), O_CLOEXEC) != 0) return IoError("pipe", errno);
  const Child child(request, program, argv.data(), envp.data(), groups.data(), cpus, report[1]);
  // Signals wait while the child still has the caller's handlers.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pid = child.Fork(getpid());
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  close(report[1]);
  if (pid < 0) {
    close(report[0]);
    return IoError("fork", fork_error);
  }
  if (request.detached) waitpid(pid, nullptr, 0);
  std::optional<Error> error;
  for (Report told{}; ReadReport(report[0], told);) {
    if (told.step == Report::kPid)
      pid = told.number;
    else
      error = Explain(request, program, told);
  }
  close(report[0]);
  if (!error) return pid;
  if (!request.detached) waitpid(pid, nullptr, 0);
  return *error;
}

Environment CleanEnvironment() {
  Environment clean;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    if (name.starts_with("MUSTER_") || TellsRank(name)) continue;
    clean.emplace(name, text.substr(equals + 1));
  }
  return clean;
}

Result<std::string> FindProgram(const std::string& name, const std::filesystem::path& bin_dir,
                                const std::filesystem::path& working_dir,
                                const Environment& environment) {
  const auto runnable = [](const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) {
    const auto path = name.front() == '/' || working_dir.empty() ? std::filesystem::path(name)
                                                                 : working_dir / name;
    if (runnable(path)) return path.string();
    return NotFound("program " + path.string() + " does not exist or cannot be executed");
  }
  if (!bin_dir.empty() && runnable(bin_dir / name)) return (bin_dir / name).string();
  const auto found = environment.find("PATH");
  const std::string path =
      found == environment.end() ? "/usr/local/bin:/usr/bin:/bin" : found->second;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const auto candidate = std::filesystem::path(path.substr(begin, end - begin)) / name;
    if (end > begin && runnable(candidate)) return candidate.string();
    begin = end + 1;
  }
  return NotFound("program '" + name + "' is neither " +
                  (bin_dir.empty() ? "" : "in " + bin_dir.string() + " nor ") + "in PATH (" + path +
                  ")");
}

}  // namespace muster::cluster::local
