#pragma once

#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "runtime/base/result.h"
#include "runtime/wire/messages.h"

/// libzmq's handles with owners, and what both ends of the wire share. For the .cc files of this folder.

namespace muster::net {

inline constexpr int kReceiveBurst =
    256;  ///< messages taken before the other sockets get their turn

struct ContextDeleter {
  void operator()(void* context) const { zmq_ctx_term(context); }
};
struct SocketDeleter {
  void operator()(void* socket) const { zmq_close(socket); }
};
using ContextHandle = std::unique_ptr<void, ContextDeleter>;
using SocketHandle = std::unique_ptr<void, SocketDeleter>;

/// "what: libzmq's text", as kUnavailable for a taken address, kInvalid for a malformed one.
inline Error ZmqError(std::string_view what) {
  const int code = zmq_errno();
  const std::string text = std::string(what) + ": " + zmq_strerror(code);
  if (code == EADDRINUSE) return Unavailable(text);
  return code == EINVAL ? Invalid(text) : Internal(text);
}

inline Status SetOption(void* socket, int option, int value) {
  if (zmq_setsockopt(socket, option, &value, sizeof value) == 0) return Ok();
  return ZmqError("zmq option " + std::to_string(option));
}
inline Status SetOption(void* socket, int option, const std::string& value) {
  if (zmq_setsockopt(socket, option, value.data(), value.size()) == 0) return Ok();
  return ZmqError("zmq option " + std::to_string(option));
}

/// What both ends set: bounds, and no lingering. libzmq's own pings would double what an idle node costs: an
/// agent sees from its unanswered messages that a connection is dead, a coordinator from TCP's keep-alive.
inline Status SetCommonOptions(void* socket) {
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_LINGER, 0));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_SNDHWM, 1000));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_RCVHWM, 1000));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_TCP_KEEPALIVE, 1));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_TCP_KEEPALIVE_IDLE, 30));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_TCP_KEEPALIVE_INTVL, 10));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_TCP_KEEPALIVE_CNT, 3));
  // Also how long a refused node waits before it tries again.
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_HANDSHAKE_IVL, 2000));
  constexpr auto kBytesMax = static_cast<std::int64_t>(wire::kEnvelopeBytesMax);
  if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &kBytesMax, sizeof kBytesMax) != 0) {
    return ZmqError("zmq option ZMQ_MAXMSGSIZE");
  }
  return Ok();
}

/// One received frame. `text()` lives as long as the object.
class Frame {
 public:
  Frame() { zmq_msg_init(&message_); }
  ~Frame() { zmq_msg_close(&message_); }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  /// False when nothing is there.
  bool Receive(void* socket) { return zmq_msg_recv(&message_, socket, ZMQ_DONTWAIT) >= 0; }
  [[nodiscard]] bool more() const { return zmq_msg_more(&message_) != 0; }
  [[nodiscard]] std::string_view text() {
    return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }
  /// A property of the connection, "User-Id"; empty when it has none.
  [[nodiscard]] std::string property(const char* name) {
    const char* value = zmq_msg_gets(&message_, name);
    return value == nullptr ? "" : value;
  }

 private:
  zmq_msg_t message_;
};

/// From any thread to the socket's thread: a bounded queue and a descriptor that polls readable.
template <typename T>
class Mailbox {
 public:
  explicit Mailbox(int items_max) : items_max_(static_cast<std::size_t>(items_max)) {}
  ~Mailbox() {
    if (fd_ >= 0) close(fd_);
  }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// False when the queue is full and the item was dropped.
  bool Put(T item) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      if (items_.size() >= items_max_) return false;
      first = items_.empty();
      items_.push_back(std::move(item));
    }
    if (first) Wake();  // else somebody has
    return true;
  }
  void Wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);  // full means: awake anyway
  }
  std::deque<T> TakeAll() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = read(fd_, &count, sizeof count);
    const std::lock_guard lock(mutex_);
    return std::exchange(items_, {});
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  const std::size_t items_max_;
  const int fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::mutex mutex_;  ///< guards items_
  std::deque<T> items_;
};

}  // namespace muster::net
