#include <algorithm>
#include <array>

#include "cluster/local/inspect.h"

/// Reading what debuggers and the kernel print; no process is touched here.

namespace muster::cluster::local {
namespace {

std::string_view TakeLine(std::string_view& rest) {
  const std::string_view line = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  return line;
}

/// "#3  0x00007f in name (args) at file" or "#3  name (args)" or eu-stack's "#3  0x00007f name".
std::string FunctionOf(std::string_view line) {
  line.remove_prefix(std::min(line.find(' '), line.size()));
  const auto skip = [&line](std::string_view what) {
    if (line.starts_with(what)) line.remove_prefix(what.size());
  };
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (line.starts_with("0x")) line.remove_prefix(std::min(line.find(' '), line.size()));
  skip(" ");
  skip("in ");
  std::string_view name = line.substr(0, line.find(" ("));
  while (name.ends_with(' ')) name.remove_suffix(1);
  return std::string(name);
}

bool SaysNothing(std::string_view function) {
  return function == "??" || function == "_start" || function.starts_with("__libc_start");
}

/// How everything waits; who calls it is what matters.
bool OnlySaysHow(std::string_view function) {
  constexpr std::array<std::string_view, 25> kWaits = {"??",
                                                       "syscall",
                                                       "poll",
                                                       "ppoll",
                                                       "epoll_wait",
                                                       "select",
                                                       "pselect",
                                                       "read",
                                                       "recv",
                                                       "recvmsg",
                                                       "recvfrom",
                                                       "accept",
                                                       "connect",
                                                       "write",
                                                       "send",
                                                       "sendmsg",
                                                       "nanosleep",
                                                       "usleep",
                                                       "sleep",
                                                       "clock_nanosleep",
                                                       "clock_gettime",
                                                       "sched_yield",
                                                       "pthread_cond_wait",
                                                       "pthread_mutex_lock",
                                                       "wait4"};
  return function.empty() || function.starts_with("_") || function.starts_with("futex") ||
         function.starts_with("pthread_cond_") || std::ranges::count(kWaits, function) != 0 ||
         function.find("clone") == 0;
}

}  // namespace

std::string TellingFrame(std::string_view stacks) {
  // gdb prints the newest thread first and the main thread, "Thread 1", last.
  if (const auto main = stacks.rfind("\nThread 1 "); main != std::string_view::npos)
    stacks.remove_prefix(main + 1);
  std::string first;
  bool in_stack = false;
  while (!stacks.empty()) {
    const std::string_view line = TakeLine(stacks);
    if (!line.starts_with('#')) {
      if (in_stack) break;  // the next thread
      continue;
    }
    in_stack = true;
    const std::string function = FunctionOf(line);
    if (first.empty() && !SaysNothing(function)) first = function;
    if (!OnlySaysHow(function)) return function;
  }
  return first;
}

std::string KernelFrames(std::string_view stack) {
  constexpr int kMost = 6;
  std::string frames;
  for (int count = 0; count < kMost && !stack.empty();) {
    std::string_view line = TakeLine(stack);
    if (const auto bracket = line.find("] "); bracket != std::string_view::npos)
      line.remove_prefix(bracket + 2);
    line = line.substr(0, line.find('+'));
    if (line.empty() || line.starts_with("do_syscall_64") || line.starts_with("entry_SYSCALL") ||
        line.starts_with("el0") || line.starts_with("ret_from_fork")) {
      continue;
    }
    frames += (count++ == 0 ? "" : " < ") + std::string(line);
  }
  return frames;
}

}  // namespace muster::cluster::local
