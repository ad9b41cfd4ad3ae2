#include "cluster/local/inspect.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <optional>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/observe.h"
#include "cluster/local/spawn.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kRanksMost = 8;          // looked at
constexpr std::size_t kEvidenceRanksMost = 4;  // in the short text
constexpr auto kAllMost = 12s;                 // less than agent::Options::inspect_ms
constexpr auto kFirstStacksMost = 8s;          // symbols of a large program take their time
constexpr auto kStacksMost = 5s;
constexpr std::size_t kStacksBytesMost = 32 * 1024;
constexpr std::size_t kLastWordsMost = 200;
constexpr std::string_view kMark = "muster: ";

/// What is known of one rank.
struct Look {
  int rank = 0;
  ProcessStat process;  ///< the one that waits: what its parents wait for
  std::string kernel;
  std::string stacks;  ///< as the debugger printed them, or why there are none
  std::string frame;
};

/// Only what can stand in a message and on a terminal.
std::string Printable(std::string text) {
  for (char& c : text) {
    if (c == '\t') c = ' ';
    if (c != '\n' && (c < 0x20 || c > 0x7e)) c = '?';
  }
  return text;
}

/// The process that the others of the rank wait for: a stopped one, else the newest without a child.
ProcessStat WaitingOne(const std::vector<ProcessStat>& processes) {
  ProcessStat found = processes.front();
  for (const ProcessStat& process : processes) {
    if (process.state == 'T' || process.state == 't') return process;
    const bool parent = std::ranges::any_of(
        processes, [&](const ProcessStat& other) { return other.parent == process.id.pid; });
    if (!parent) found = process;
  }
  return found;
}

std::string KernelOf(int pid) {
  if (const auto stack = ReadProcFile(pid, "stack"); stack.ok()) {
    if (std::string frames = KernelFrames(*stack); !frames.empty()) return frames;
  }
  const auto wchan = ReadProcFile(pid, "wchan");
  if (wchan.ok() && !wchan->empty() && *wchan != "0") return *wchan;
  const auto syscall = ReadProcFile(pid, "syscall");
  if (!syscall.ok()) return "";
  if (syscall->starts_with("running")) return "none, it runs";
  return "system call " + syscall->substr(0, syscall->find(' '));
}

/// Runs a debugger with its output in `file` for so long at most.
bool RunBounded(const std::vector<std::string>& command, const std::filesystem::path& file,
                MonotonicTime until) {
  Environment environment = CleanEnvironment();
  environment["DEBUGINFOD_URLS"] = "";  // symbols are looked for on this machine alone
  const auto pid = Spawn({.command = command,
                          .environment = std::move(environment),
                          .working_dir = "/",
                          .out = file,
                          .err = file,
                          .die_with_parent = true});
  if (!pid.ok()) return false;
  while (waitpid(*pid, nullptr, WNOHANG) == 0) {
    if (SystemClock().Now() >= until) {
      kill(*pid, SIGKILL);  // a debugger that dies lets its process go
      waitpid(*pid, nullptr, 0);
      return false;
    }
    usleep(10'000);
  }
  return true;
}

void LookAtStacks(Look& look, const std::filesystem::path& scratch, MonotonicTime until) {
  const Environment environment = CleanEnvironment();
  const std::string pid = std::to_string(look.process.id.pid);
  std::vector<std::string> command = {"gdb",
                                      "-batch",
                                      "-nx",
                                      "-p",
                                      pid,
                                      "-ex",
                                      "set pagination off",
                                      "-ex",
                                      "thread apply all bt 40"};
  if (!FindProgram("gdb", {}, {}, environment).ok()) command = {"eu-stack", "-n", "40", "-p", pid};
  if (!FindProgram(command[0], {}, {}, environment).ok()) {
    look.stacks = "no stacks of the program: neither gdb nor eu-stack is installed on this node";
    return;
  }
  std::error_code ignored;
  std::filesystem::remove(scratch, ignored);
  const bool whole = RunBounded(command, scratch, until);
  const auto text = ReadWholeFile(scratch);
  look.stacks = Printable(text.ok() ? text->substr(0, kStacksBytesMost) : "");
  look.frame = TellingFrame(look.stacks);
  if (!whole) look.stacks += "\n" + command[0] + " took too long and was ended";
}

/// The last line that the rank itself wrote.
std::string LastWords(const AttemptFolder& folder, int rank) {
  for (const char* stream : {"err", "out"}) {
    auto text = ReadWholeFile(folder.output(rank, stream));
    if (!text.ok()) continue;
    while (!text->empty()) {
      const std::size_t begin = text->find_last_of('\n', text->size() - 1);
      const std::string line = begin == std::string::npos ? *text : text->substr(begin + 1);
      if (!line.empty() && !line.starts_with(kMark))
        return Printable(line.substr(0, kLastWordsMost));
      text->resize(begin == std::string::npos ? 0 : begin);
    }
  }
  return "";
}

/// One write, so that lines of the rank do not come between.
void AppendMarked(const std::filesystem::path& file, const std::string& text) {
  std::string marked = "\n";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    marked.append(kMark).append(text, at, end - at).append("\n");
    at = end + 1;
  }
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return;
  [[maybe_unused]] const auto written = write(fd, marked.data(), marked.size());
  close(fd);
}

std::string Report(const Look& look, const std::string& why, bool blamed) {
  return "hang report of rank " + std::to_string(look.rank) +
         (blamed ? ", which is to blame: " : ", one of the others: ") + why + "\nprocess " +
         std::to_string(look.process.id.pid) + ", state " + look.process.state +
         ", in the kernel: " + (look.kernel.empty() ? "nothing known" : look.kernel) + "\n" +
         look.stacks;
}

std::string Evidence(const AttemptFolder& folder, const std::vector<Look>& looks,
                     const std::vector<int>& blamed) {
  std::string text;
  for (const Look& look : looks) {
    if (text.size() > 1000 || looks.size() > kEvidenceRanksMost + blamed.size()) break;
    text += (text.empty() ? "rank " : "; rank ") + std::to_string(look.rank) + " (pid " +
            std::to_string(look.process.id.pid) + ", state " + look.process.state + ")";
    if (!look.kernel.empty()) text += " in kernel: " + look.kernel;
    if (!look.frame.empty()) text += ", in program: " + look.frame;
    const std::string words = LastWords(folder, look.rank);
    const bool to_blame = std::ranges::count(blamed, look.rank) != 0;
    if (to_blame && !words.empty()) text += ", last line: " + words;
  }
  return Printable(text);
}

std::vector<int> RanksOf(const std::vector<std::string>& args) {
  std::vector<int> ranks;
  for (std::size_t i = 2; i < args.size(); ++i) {
    int rank = 0;
    std::from_chars(args[i].data(), args[i].data() + args[i].size(), rank);
    ranks.push_back(rank);
  }
  return ranks;
}

}  // namespace

int InspectMain(const std::vector<std::string>& args) {
  const char* home_id = getenv("MUSTER_HOME_ID");  // tells whose processes
  if (args.size() < 3 || home_id == nullptr) {
    LogError("inspect", "usage: muster inspect ATTEMPT_DIR WHY RANK..., with MUSTER_HOME_ID set");
    return 2;
  }
  const AttemptFolder folder(args[0], home_id);
  const std::vector<int> blamed = RanksOf(args);
  const MonotonicTime end = SystemClock().Now() + kAllMost;
  const auto prepare = folder.ReadPrepare();
  const auto state = folder.ReadState();
  const auto all = ScanAttempts(home_id);
  if (!prepare.ok() || !state.ok() || !all.ok() || !all->contains(prepare->epoch)) return 1;
  const auto ranks = ProcessesOfRanks(all->at(prepare->epoch), *state);
  std::vector<int> order;  // those to blame first
  for (const int rank : blamed) {
    if (ranks.contains(rank)) order.push_back(rank);
  }
  for (const auto& [rank, processes] : ranks) {
    if (std::ranges::count(order, rank) == 0) order.push_back(rank);
  }
  if (order.size() > kRanksMost) order.resize(kRanksMost);
  std::vector<Look> looks;
  for (const int rank : order) {
    Look& look = looks.emplace_back();
    look.rank = rank;
    look.process = WaitingOne(ranks.at(rank));
    // Of a process that runs, the kernel shows what interrupted it.
    if (look.process.state != 'R') look.kernel = Printable(KernelOf(look.process.id.pid));
  }
  bool first = true;
  for (Look& look : looks) {
    const MonotonicTime now = SystemClock().Now();
    const auto most = std::exchange(first, false) ? kFirstStacksMost : kStacksMost;
    LookAtStacks(look, folder.path() / "stacks.tmp", std::min(end, now + most));
    AppendMarked(folder.output(look.rank, "err"),
                 Report(look, args[1], std::ranges::count(blamed, look.rank) != 0));
  }
  const Status written = WriteFileAtomically(folder.hang_text(), Evidence(folder, looks, blamed));
  return written.ok() ? 0 : 1;
}

}  // namespace muster::cluster::local
