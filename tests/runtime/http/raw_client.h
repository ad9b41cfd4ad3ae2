#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster::http {

/// Bytes to and from a port of 127.0.0.1, for requests that no proper client would send.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  void Close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  /// False when the peer has closed.
  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }
  /// The peer sees the end of what was written; its answer can still be read.
  void EndWriting() { ::shutdown(socket_, SHUT_WR); }
  /// Reads until `end` has come, the peer closes, or the limit.
  std::string ReadUntil(std::string_view end,
                        std::chrono::milliseconds limit = std::chrono::milliseconds(10'000)) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (true) {
      if (const std::size_t found = read_.find(end); !end.empty() && found != std::string::npos) {
        std::string text = read_.substr(0, found + end.size());
        read_.erase(0, text.size());
        return text;
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      pollfd waiting{socket_, POLLIN, 0};
      char bytes[4096];
      ssize_t size = 0;
      if (left.count() > 0 && ::poll(&waiting, 1, static_cast<int>(left.count())) > 0) {
        size = ::recv(socket_, bytes, sizeof bytes, 0);
      } else {
        timed_out_ = true;
      }
      if (size <= 0) return std::exchange(read_, {});
      read_.append(bytes, static_cast<std::size_t>(size));
    }
  }
  /// Everything until the peer closes.
  std::string ReadAll() { return ReadUntil(""); }
  [[nodiscard]] bool timed_out() const { return timed_out_; }

 private:
  int socket_;
  bool connected_ = false;
  bool timed_out_ = false;
  std::string read_;
};

}  // namespace muster::http
