#include "runtime/server/home.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "runtime/base/file.h"
#include "runtime/wire/codec.h"

namespace muster::server {

BOOST_DESCRIBE_STRUCT(ServerNote, (), (url, pid, agents, checkpoints))

namespace {

/// A child that a killed server was just starting holds the lock, too, until it executes its program.
bool Lock(int fd) {
  constexpr auto kChildrenHold = std::chrono::milliseconds(500),
                 kEvery = std::chrono::milliseconds(10);
  for (auto waited = kEvery; flock(fd, LOCK_EX | LOCK_NB) != 0; waited += kEvery) {
    if (waited > kChildrenHold) return false;
    std::this_thread::sleep_for(kEvery);
  }
  return true;
}

}  // namespace

Result<ServerNote> ReadServerNote(const std::filesystem::path& home) {
  MUSTER_ASSIGN_OR_RETURN(const auto text, ReadWholeFile(home / "server.json"));
  return wire::Decode<ServerNote>(text);
}

Status WriteServerNote(const std::filesystem::path& home, const ServerNote& note) {
  return WriteFileAtomically(home / "server.json", wire::Encode(note));
}

Result<std::unique_ptr<HomeLock>> HomeLock::Take(const std::filesystem::path& home) {
  std::error_code failure;
  std::filesystem::create_directories(home, failure);
  if (failure) {
    return IoError("home " + home.string() + " cannot be made", failure.value());
  }
  const auto file = home / "server.lock";
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return IoError(file.string(), errno);
  if (!Lock(fd)) {
    close(fd);
    const auto note = ReadServerNote(home);
    return Conflict("another server" +
                    (note.ok() ? " (process " + std::to_string(note->pid) + ", " + note->url + ")"
                               : std::string()) +
                    " runs on " + home.string() +
                    "; stop it, or give this one another folder (--home, --db)");
  }
  return std::unique_ptr<HomeLock>(new HomeLock(fd));
}

HomeLock::~HomeLock() { close(fd_); }

}  // namespace muster::server
