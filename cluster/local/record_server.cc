#include "cluster/local/record_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

namespace muster::cluster::local {
namespace {

constexpr std::size_t kOutBytesMax = 64 * 1024;

Result<sockaddr_un> UnixAddress(const std::filesystem::path& path) {
  sockaddr_un address{.sun_family = AF_UNIX};
  if (path.native().size() >= sizeof address.sun_path) {
    return Invalid("socket path " + path.string() + " has " + std::to_string(path.native().size()) +
                   " bytes; a unix address holds 107");
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  return address;
}

}  // namespace

Result<int> ListenUnix(const std::filesystem::path& path) {
  MUSTER_ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  unlink(path.c_str());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return IoError("unix socket", errno);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, 128) != 0) {
    const Error error = IoError("cannot listen on " + path.string(), errno);
    close(fd);
    return error;
  }
  return fd;
}

Status SendUnix(const std::filesystem::path& path, std::string_view text) {
  MUSTER_ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return IoError("unix socket", errno);
  Status status;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    status = Unavailable("cannot reach " + path.string() + ": " + std::strerror(errno));
  }
  close(fd);
  return status;
}

RecordServer::~RecordServer() {
  for (const auto& [fd, connection] : connections_) close(fd);
  if (listener_ >= 0) close(listener_);
  if (spool_ >= 0) close(spool_);
}

void RecordServer::Keep(CheckpointKeeper keeper) {
  if (keeper.wanted()) keeper_ = std::move(keeper);
}

void RecordServer::Push(CheckpointPush push) { push_ = std::move(push); }

Status RecordServer::Listen(const std::filesystem::path& socket,
                            const std::filesystem::path& spool) {
  spool_file_ = spool;
  MUSTER_ASSIGN_OR_RETURN(listener_, ListenUnix(socket));
  return Ok();
}

void RecordServer::AddTo(std::vector<pollfd>& items) const {
  items.push_back({.fd = listener_, .events = POLLIN});
  for (const auto& [fd, connection] : connections_) {
    if (connection.held) continue;  // also its end would be news again and again
    items.push_back(
        {.fd = fd, .events = static_cast<short>(POLLIN | (connection.out.empty() ? 0 : POLLOUT))});
  }
}

void RecordServer::Serve() {
  Accept();
  stalled_ = false;
  // A connection with a line that waits is not closed, so it is still there.
  if (push_ && push_->Reap(SystemClock().Now()) && pushing_for_ != nullptr)
    std::exchange(pushing_for_, nullptr)->pushed = true;
  for (auto it = connections_.begin(); it != connections_.end();) {
    auto& [fd, connection] = *it;
    const bool open = Read(fd, connection) && Flush(fd, connection);
    // What a rank wrote before it closed counts, also when the disk was full just then.
    if (!open && !(stalled_ && connection.in.find('\n') != std::string::npos)) {
      close(fd);
      it = connections_.erase(it);
    } else {
      ++it;
    }
  }
}

void RecordServer::Command(const std::string& command) {
  for (auto& [fd, connection] : connections_) {
    connection.out += R"({"command":")" + command + "\"}\n";
    Flush(fd, connection);
  }
}

void RecordServer::Accept() {
  while (static_cast<int>(connections_.size()) < kConnectionsMax) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    connections_.emplace(fd, Connection{});
  }
}

/// False when the connection is over.
bool RecordServer::Read(int fd, Connection& connection) {
  char buffer[65536];
  while (true) {
    connection.held = !AppendLines(connection);
    if (connection.held) return true;  // stop reading, the rank's writes will wait
    if (connection.in.size() > kLineBytesMax) {
      LogError("shim", "a record line is longer than " + std::to_string(kLineBytesMax) +
                           " bytes; the connection is closed");
      return false;
    }
    const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    connection.in.append(buffer, static_cast<std::size_t>(got));
  }
}

/// Moves the whole lines of `in` to the spool; false when some have to wait.
bool RecordServer::AppendLines(Connection& connection) {
  while (const std::size_t size = Ready(connection)) {
    // What was kept or brought while the disk was too full for its line stays so until the line comes again.
    std::string lines = connection.in.substr(0, size);
    if (keeper_) lines = Marked(lines);
    if (connection.pushed) lines = push_->Published(lines);
    if (const Status status = Append(lines); !status.ok()) {
      LogError("shim", "records wait: " + status.error().message);
      stalled_ = true;
      return false;
    }
    connection.pushed = false;
    connection.acked += std::count(lines.begin(), lines.end(), '\n');
    connection.in.erase(0, size);
    connection.out += R"({"ack":)" + std::to_string(connection.acked) + "}\n";
  }
  return connection.in.find('\n') == std::string::npos;
}

bool RecordServer::BroughtAll() {
  if (!push_ || push_->Begin({}, SystemClock().Now())) return true;
  stalled_ = true;
  return false;
}

/// Bytes of the lines that may go to the spool at once.
std::size_t RecordServer::Ready(Connection& connection) {
  const std::size_t whole = connection.in.rfind('\n') + 1;
  std::size_t ready = push_ ? 0 : whole;
  while (ready < whole) {
    const std::size_t end = connection.in.find('\n', ready) + 1;
    const std::string_view line = std::string_view(connection.in).substr(ready, end - ready);
    if (!CheckpointPush::IsNeededBy(line)) {
      ready = end;
      continue;
    }
    if (ready > 0) break;
    if (connection.pushed) return end;
    if (pushing_for_ == nullptr) pushing_for_ = &connection;
    if (pushing_for_ == &connection && push_->Begin(line, SystemClock().Now())) {
      std::exchange(pushing_for_, nullptr)->pushed = true;
      return end;
    }
    stalled_ = true;
    return 0;
  }
  return ready;
}

/// Checkpoints' lines say whether there is a copy of them, however often they come here.
std::string RecordServer::Marked(std::string_view lines) {
  std::string marked;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n') + 1);
    lines.remove_prefix(line.size());
    const bool checkpoint = line.find("\"checkpoint\"") != std::string_view::npos;
    marked += checkpoint ? keeper_->Marked(line) : std::string(line);
  }
  return marked;
}

/// All or nothing: the spool never holds half a line, which the next line would be glued to.
Status RecordServer::Append(std::string_view lines) {
  if (spool_ < 0) spool_ = open(spool_file_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (spool_ < 0) return IoError("open " + spool_file_.string(), errno);
  struct stat before{};
  if (fstat(spool_, &before) != 0) return IoError("stat the record spool", errno);
  std::string_view rest = lines;
  while (!rest.empty()) {
    const ssize_t written = write(spool_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const Error error = IoError("append to the record spool", errno);
      if (ftruncate(spool_, before.st_size) != 0) return IoError("repair the record spool", errno);
      return error;
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  return Ok();
}

bool RecordServer::Flush(int fd, Connection& connection) {
  const ssize_t sent =
      send(fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) connection.out.erase(0, static_cast<std::size_t>(sent));
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return false;
  return connection.out.size() <= kOutBytesMax;
}

}  // namespace muster::cluster::local
