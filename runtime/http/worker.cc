#include "runtime/http/worker.h"

#include <csignal>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>
#include <vector>

#include "runtime/http/encode.h"

namespace muster::http::internal {

namespace asio = boost::asio;

Worker::Worker(Site& site) : site_(site), work_(context_.get_executor()), sweep_(context_) {
  asio::co_spawn(context_, Sweep(), asio::detached);
}

void Worker::Run() {
  // sendfile, unlike send, has no flag against the signal of a client that went away.
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  context_.run();
}

void Worker::Adopt(asio::ip::tcp::socket socket) {
  asio::post(context_, [this, socket = std::move(socket)]() mutable {
    auto connection = std::make_shared<Connection>(site_, *this, std::move(socket));
    connections_.insert(connection.get());
    asio::co_spawn(context_, Serve(std::move(connection)), asio::detached);
  });
}

asio::awaitable<void> Worker::Serve(std::shared_ptr<Connection> connection) {
  struct Leave {  // also when Run throws
    Worker& worker;
    Connection* connection;
    ~Leave() {
      worker.connections_.erase(connection);
      worker.FinishWhenEmpty();
    }
  };
  const Leave leave{*this, connection.get()};
  co_await connection->Run();
}

// One timer for all connections instead of one each: arming a timer per operation costs more than the
// rest of a request's bookkeeping, and a deadline that is late by a period harms nobody.
asio::awaitable<void> Worker::Sweep() {
  const auto& options = site_.options;
  const auto shortest =
      std::min({options.idle_timeout, options.header_timeout, options.stall_timeout});
  const auto period =
      std::clamp(shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(1000));
  while (work_.owns_work()) {
    sweep_.expires_at(std::min(SystemClock().Now() + period, stop_at_));
    co_await sweep_.async_wait(asio::as_tuple(asio::use_awaitable));
    const MonotonicTime now = SystemClock().Now();
    const std::vector<Connection*> open(connections_.begin(), connections_.end());
    for (Connection* connection : open) {
      if (connection->deadline() <= now || stop_at_ <= now) connection->Abort();
    }
    if (stop_at_ <= now) stop_at_ = MonotonicTime::max();
  }
}

void Worker::BeginStop(MonotonicTime end) {
  asio::post(context_, [this, end] {
    stopping_ = true;
    stop_at_ = end;
    const std::vector<Connection*> open(connections_.begin(), connections_.end());
    for (Connection* connection : open) {
      if (connection->idle()) connection->Abort();
    }
    sweep_.cancel();
    FinishWhenEmpty();
  });
}

void Worker::FinishWhenEmpty() {
  if (!stopping_ || !connections_.empty()) return;
  work_.reset();
  sweep_.cancel();
}

std::string_view Worker::date() {
  const std::int64_t second = SystemClock().UnixNow() / 1000;
  if (second != date_second_) {
    date_second_ = second;
    date_ = HttpDate(second);
  }
  return date_;
}

}  // namespace muster::http::internal
