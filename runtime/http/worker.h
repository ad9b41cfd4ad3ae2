#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <unordered_set>

#include "runtime/http/connection.h"

namespace muster::http::internal {

/// One thread's io_context and the connections that live on it. What is not marked otherwise is called
/// on that thread.
class Worker {
 public:
  explicit Worker(Site& site);

  /// Runs until a stop is over. Called once, by the worker's thread.
  void Run();
  [[nodiscard]] boost::asio::io_context& context() { return context_; }

  /// Any thread: takes over a connected socket of `context()`.
  void Adopt(boost::asio::ip::tcp::socket socket);
  /// Any thread: closes idle connections now, the others when they have answered, all at `end`.
  void BeginStop(MonotonicTime end);

  [[nodiscard]] bool stopping() const { return stopping_; }
  /// The Date header's value, formatted once a second.
  [[nodiscard]] std::string_view date();

 private:
  boost::asio::awaitable<void> Serve(std::shared_ptr<Connection> connection);
  boost::asio::awaitable<void> Sweep();
  void FinishWhenEmpty();

  Site& site_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer sweep_;
  std::unordered_set<Connection*> connections_;
  bool stopping_ = false;
  MonotonicTime stop_at_ = MonotonicTime::max();
  std::int64_t date_second_ = 0;
  std::string date_;
};

}  // namespace muster::http::internal
