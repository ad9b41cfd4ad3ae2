#include "trainer/shm/process.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "runtime/base/file.h"

namespace muster::trainer::shm {
namespace {

struct ProcessState {
  char letter = 'X';
  std::uint64_t start_ticks = 0;
};

Result<ProcessState> Read(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  MUSTER_ASSIGN_OR_RETURN(const std::string stat, ReadWholeFile(path, 4096));
  // "pid (name) state ..."; the name may hold anything, so from its last bracket on, from field 3.
  std::string_view rest(stat);
  rest.remove_prefix(std::min(rest.size(), rest.rfind(')') + 2));
  ProcessState state;
  if (!rest.empty()) state.letter = rest[0];
  for (int field = 3; field < 22 && !rest.empty(); ++field) {
    rest.remove_prefix(std::min(rest.size(), rest.find(' ') + 1));
  }
  if (std::from_chars(rest.data(), rest.data() + rest.size(), state.start_ticks).ec !=
      std::errc()) {
    return Corrupt(path + " has no start time");
  }
  return state;
}

bool Lives(ProcessId id) {
  const auto state = Read(id.pid);
  return state.ok() && state->start_ticks == id.start_ticks && state->letter != 'Z' &&
         state->letter != 'X';
}

}  // namespace

Result<ProcessId> ThisProcess() {
  MUSTER_ASSIGN_OR_RETURN(const ProcessState state, Read(getpid()));
  return ProcessId{.pid = getpid(), .start_ticks = state.start_ticks};
}

Result<PeerProcess> PeerProcess::Open(ProcessId id) {
  Descriptor pidfd(static_cast<int>(syscall(SYS_pidfd_open, id.pid, 0)));
  // Only now, when the pid cannot be used again behind the descriptor.
  if (!Lives(id)) return NotFound("pid " + std::to_string(id.pid) + " is gone");
  return PeerProcess(id, std::move(pidfd));
}

bool PeerProcess::Gone() const {
  if (!pidfd_.open()) return !Lives(id_);
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN};
  return poll(&ended, 1, 0) == 1;
}

}  // namespace muster::trainer::shm
