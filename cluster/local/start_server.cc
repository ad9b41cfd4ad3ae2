#include "cluster/local/start_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

namespace muster::cluster::local {
namespace {

constexpr std::size_t kNonceBytes = 16;

/// A line that fits any socket's buffer, so it is never sent in part.
bool SendLine(int fd, const std::string& line) {
  return send(fd, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(line.size());
}

/// In a time that does not tell where they differ.
bool Same(std::string_view one, std::string_view other) {
  if (one.size() != other.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < one.size(); ++i)
    difference |= static_cast<unsigned char>(one[i] ^ other[i]);
  return difference == 0;
}

}  // namespace

std::string ProofOf(const std::string& secret, const std::string& nonce,
                    const std::string& command) {
  return Hex(HmacSha256(secret, nonce + command));
}

StartServer::~StartServer() {
  for (const auto& [fd, connection] : connections_) close(fd);
  if (asker_ >= 0) close(asker_);
}

Status StartServer::Listen(int fd, std::string secret) {
  if (listen(fd, static_cast<int>(kConnectionsMax)) != 0)
    return IoError("listen for mpirun's daemon", errno);
  listener_ = fd;
  secret_ = std::move(secret);
  return Ok();
}

void StartServer::AddTo(std::vector<pollfd>& items) const {
  if (listener_ >= 0) items.push_back({.fd = listener_, .events = POLLIN});
  for (const auto& [fd, connection] : connections_) items.push_back({.fd = fd, .events = POLLIN});
  if (asker_ >= 0) items.push_back({.fd = asker_, .events = POLLIN});
}

void StartServer::Serve(MonotonicTime now) {
  if (listener_ < 0) return;
  Accept(now);
  for (auto it = connections_.begin(); it != connections_.end();) {
    auto& [fd, connection] = *it;
    const bool open = now < connection.until && Read(fd, connection);
    if (!open && fd != asker_) close(fd);
    it = open ? std::next(it) : connections_.erase(it);
  }
  SeeIfAskerLives();
}

/// It has nothing more to say until it is answered.
void StartServer::SeeIfAskerLives() {
  char byte = 0;
  if (asker_ < 0) return;
  const ssize_t got = recv(asker_, &byte, 1, MSG_DONTWAIT);
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))) return;
  close(std::exchange(asker_, -1));
  asker_lost_ = true;
}

void StartServer::Accept(MonotonicTime now) {
  for (int fd = 0;
       (fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
    if (connections_.size() >= kConnectionsMax) {
      const auto oldest = std::ranges::min_element(
          connections_, {}, [](const auto& entry) { return entry.second.until; });
      close(oldest->first);
      connections_.erase(oldest);
    }
    Connection connection{.nonce = RandomHex(kNonceBytes), .in = {}, .until = now + kRequestMost};
    if (SendLine(fd, std::string(kStartGreeting) + connection.nonce + "\n"))
      connections_.emplace(fd, std::move(connection));
    else
      close(fd);
  }
}

/// False when there is nothing more to read from it.
bool StartServer::Read(int fd, Connection& connection) {
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    connection.in.append(buffer.data(), static_cast<std::size_t>(got));
    if (connection.in.ends_with('\n')) return Judge(fd, connection);
    if (connection.in.size() > kLineBytesMax) return false;
  }
}

/// Always false: whatever came, nothing more is read.
bool StartServer::Judge(int fd, const Connection& connection) {
  const auto request = wire::Decode<StartRequest>(connection.in);
  std::string error;
  if (!request.ok()) {
    error = "not understood: " + request.error().message;
  } else if (!Same(request->proof, ProofOf(secret_, connection.nonce, request->command))) {
    error = "the proof is wrong: only the attempt's first node may start something here";
  } else if (proved_) {
    error = "this node's part was started before";
  }
  if (!error.empty()) {
    LogWarning("shim", "refused to start a daemon of mpirun: " + error);
    SendLine(fd, wire::Encode(StartAnswer{.code = 1, .error = error}) + "\n");
    return false;
  }
  proved_ = true;
  command_ = request->command;
  asker_ = fd;
  return false;
}

std::optional<std::string> StartServer::Take() { return std::exchange(command_, std::nullopt); }

void StartServer::Answer(const StartAnswer& answer) {
  if (asker_ < 0) return;
  SendLine(asker_, wire::Encode(answer) + "\n");
  close(std::exchange(asker_, -1));
}

}  // namespace muster::cluster::local
