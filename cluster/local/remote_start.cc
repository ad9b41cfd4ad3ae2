#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/contract.h"
#include "cluster/local/shim.h"
#include "cluster/local/start_server.h"
#include "runtime/wire/codec.h"

namespace muster::cluster::local {
namespace {

constexpr int kConnectMostMs = 10'000;
constexpr int kGreetingMostMs = 10'000;
constexpr std::size_t kAnswerBytesMax = 64 * 1024;

Error Failure(const std::string& what, int number) {
  return Unavailable(what + ": " + std::strerror(number));
}

Status ConnectTo(int fd, const addrinfo& address) {
  if (connect(fd, address.ai_addr, address.ai_addrlen) == 0) return Ok();
  if (errno != EINPROGRESS) return Failure("connect", errno);
  pollfd item{.fd = fd, .events = POLLOUT};
  if (poll(&item, 1, kConnectMostMs) <= 0) return Failure("connect", ETIMEDOUT);
  int number = 0;
  socklen_t size = sizeof number;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size);
  return number == 0 ? Ok() : Status(Failure("connect", number));
}

Result<int> Connect(const wire::GangPart& part) {
  addrinfo hints{.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(part.address.c_str(), std::to_string(part.port).c_str(), &hints, &found);
  if (failed != 0) return Unavailable(gai_strerror(failed));
  const int fd =
      socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, found->ai_protocol);
  const Status connected = fd < 0 ? Status(Failure("socket", errno)) : ConnectTo(fd, *found);
  freeaddrinfo(found);
  if (connected.ok()) return fd;
  if (fd >= 0) close(fd);
  return connected.error();
}

/// One line without its end; waits for ever when `most_ms` is -1.
Result<std::string> ReadLine(int fd, int most_ms) {
  std::string line;
  while (line.size() < kAnswerBytesMax) {
    pollfd item{.fd = fd, .events = POLLIN};
    if (poll(&item, 1, most_ms) <= 0) return Failure("no answer", ETIMEDOUT);
    std::array<char, 1024> buffer;
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got == 0) return Unavailable("the shim there closed the connection");
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return Failure("read", errno);
    line.append(buffer.data(), static_cast<std::size_t>(got));
    if (line.ends_with('\n')) return line.substr(0, line.size() - 1);
  }
  return Invalid("the shim there answers with more than a line");
}

Status SendAll(int fd, std::string_view text) {
  while (!text.empty()) {
    pollfd item{.fd = fd, .events = POLLOUT};
    if (poll(&item, 1, kConnectMostMs) <= 0) return Failure("send", ETIMEDOUT);
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent < 0) return Failure("send", errno);
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return Ok();
}

/// The exit code of the command there.
Result<int> RunThere(const wire::GangPart& part, const std::string& secret,
                     const std::string& command) {
  MUSTER_ASSIGN_OR_RETURN(const int fd, Connect(part));  // open as long as this process
  MUSTER_ASSIGN_OR_RETURN(const std::string greeting, ReadLine(fd, kGreetingMostMs));
  if (!greeting.starts_with(kStartGreeting))
    return Invalid("what listens there is no shim of this muster: '" + greeting.substr(0, 80) +
                   "'");
  const std::string nonce = greeting.substr(kStartGreeting.size());
  const StartRequest request{.proof = ProofOf(secret, nonce, command), .command = command};
  MUSTER_RETURN_IF_ERROR(SendAll(fd, wire::Encode(request) + "\n"));
  MUSTER_ASSIGN_OR_RETURN(const std::string line, ReadLine(fd, -1));
  MUSTER_ASSIGN_OR_RETURN(const auto answer, wire::Decode<StartAnswer>(line));
  if (!answer.error.empty()) return Unavailable("it refused: " + answer.error);
  return answer.code;
}

}  // namespace

int RemoteStartMain(const std::vector<std::string>& args) {
  const char* path = getenv(kAttemptDir);
  const char* home_id = getenv("MUSTER_HOME_ID");
  if (args.size() < 2 || path == nullptr || home_id == nullptr) {
    std::cerr << "usage: muster remote-start HOST COMMAND..., by the mpirun of an attempt\n";
    return 2;
  }
  std::string command;
  for (std::size_t i = 1; i < args.size(); ++i) command += (i == 1 ? "" : " ") + args[i];
  const AttemptFolder folder(path, home_id);
  const auto prepare = folder.ReadPrepare();
  const auto parts = folder.ReadGang();
  const auto node_rank = NodeRankOf(args[0]);
  std::string who = "node " + args[0];
  Result<int> code = 1;
  if (!prepare.ok()) {
    code = prepare.error();
  } else if (!parts.ok()) {
    code = parts.error();
  } else if (!node_rank || *node_rank >= parts->size()) {
    code = Invalid("the gang has " + std::to_string(parts->size()) + " nodes");
  } else {
    const wire::GangPart& part = (*parts)[*node_rank];
    who = "node " + std::to_string(*node_rank) + " at " + part.address + ":" +
          std::to_string(part.port);
    code = RunThere(part, prepare->start_secret, command);
  }
  if (code.ok()) return *code;
  // A person reads it in the trial's message, so on a line that the shim finds in mpirun's prose.
  std::cerr << kToldByMuster << who << ": " << code.error().message << "\n";
  return 1;
}

}  // namespace muster::cluster::local
