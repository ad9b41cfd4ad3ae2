#pragma once

#include <chrono>
#include <span>
#include <string>
#include <utility>

#include "runtime/base/result.h"

/// A TCP connection on which two probes (probe_pair.h) take turns with lines, and now and then exchange numbers. Every
/// call has a deadline. IPv4.

namespace muster::cluster::local {

class LineChannel {
 public:
  /// kUnavailable says why not: refused, no answer in time.
  static Result<LineChannel> Dial(const std::string& address, int port,
                                  std::chrono::milliseconds patience);
  /// Takes over a connected socket.
  explicit LineChannel(int fd);
  ~LineChannel();
  LineChannel(LineChannel&& other) noexcept;
  LineChannel& operator=(LineChannel&&) = delete;

  Status Write(const std::string& line);
  /// Without its end; kResource beyond 4 KiB.
  Result<std::string> Read();
  /// Write and Read; kUnavailable with the other's words when it answers "error ...".
  Result<std::string> Ask(const std::string& line);
  /// Sends and receives at the same time, both whole.
  Status Exchange(std::span<const float> mine, std::span<float> theirs);

 private:
  Status Wait(short events, std::chrono::steady_clock::time_point deadline) const;

  int fd_;
  std::string buffer_;
};

/// A socket that listens; closed by its end.
class Listener {
 public:
  /// Port 0: any. Beside another socket that holds the port without listening, as a shim's does (SO_REUSEADDR).
  static Result<Listener> Open(const std::string& address, int port);
  ~Listener();
  Listener(Listener&& other) noexcept : fd_(std::exchange(other.fd_, -1)), port_(other.port_) {}
  Listener& operator=(Listener&&) = delete;

  [[nodiscard]] int port() const { return port_; }
  /// kUnavailable when nobody called in time.
  Result<LineChannel> Accept(std::chrono::milliseconds patience);

 private:
  Listener(int fd, int port) : fd_(fd), port_(port) {}
  int fd_, port_;
};

}  // namespace muster::cluster::local
