#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// TCP connections between the watches of a gang, which speak in lines. One thread each.

namespace muster::trainer::peers {

/// A descriptor that closes itself. Never inherited by programs this one starts.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  ~Socket();
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// A connected socket; nothing here waits.
class Link {
 public:
  explicit Link(Socket socket);

  [[nodiscard]] int fd() const { return socket_.fd(); }
  [[nodiscard]] bool open() const { return socket_.open(); }
  [[nodiscard]] bool idle() const { return outgoing_.empty(); }
  void Close() { socket_ = Socket(); }

  /// Sends what it can at once, the rest with the next call. A broken connection is Read's to notice.
  void Send(const std::string& line);
  void SendRest() { Send(""); }
  /// Whole lines that have come, without newlines. When it is over: why, as in "its connection closed", in
  /// `ended`, after the last lines.
  std::vector<std::string> Read(std::string& ended);

 private:
  Socket socket_;
  std::string outgoing_, incoming_;
};

struct Listener {
  Socket socket;
  int port = 0;
};
/// On a port that the system chooses: of 127.0.0.1 alone, or of every interface. kIo.
Result<Listener> Listen(bool loopback);
/// The next connection, or none within `timeout`.
Socket Accept(const Listener& listener, std::chrono::milliseconds timeout);
/// `host` is a name or a number. kUnavailable.
Result<Socket> Connect(const std::string& host, int port, std::chrono::milliseconds timeout);
/// One line without its newline, of 256 bytes at most; empty when none comes within `timeout`.
std::string ReceiveLine(const Socket& socket, std::chrono::milliseconds timeout);
/// Whether all of `text` is on its way.
bool SendAll(const Socket& socket, const std::string& text);

/// Numbers under which other machines may reach this one.
std::vector<std::string> OwnAddresses();
/// Equal where 127.0.0.1 is the same: one boot of one machine, and one network namespace.
std::string LoopbackId();
std::string HostName();

}  // namespace muster::trainer::peers
