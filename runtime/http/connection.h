#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <memory>
#include <string>

#include "runtime/base/clock.h"
#include "runtime/http/exchange.h"
#include "runtime/http/guard.h"
#include "runtime/http/pool.h"
#include "runtime/http/range.h"
#include "runtime/http/server.h"

namespace muster::http::internal {

class Worker;

/// What the connections of one server share; constant while it serves, except for the pool
/// and the counters.
struct Site {
  ServerOptions options;
  const Router* router = nullptr;
  Guard guard;
  Pool pool;
  std::atomic<int> connections = 0;
  std::atomic<std::uint64_t> uploads = 0;
};

/// One client. Everything runs on its worker's thread; `Run` keeps it alive.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Site& site, Worker& worker, boost::asio::ip::tcp::socket socket);
  ~Connection();

  /// Serves requests until the peer goes away, asks to close, errs or is too slow.
  boost::asio::awaitable<void> Run();

  /// Between requests, with nothing of the next one read; or with a source that has nothing to send.
  [[nodiscard]] bool idle() const { return idle_; }
  [[nodiscard]] MonotonicTime deadline() const { return deadline_; }
  /// Ends whatever Run waits for.
  void Abort();

 private:
  using Header = boost::beast::http::request_parser<boost::beast::http::empty_body>;
  /// What of a request decides how its answer is sent.
  struct Asked {
    std::string accept_encoding;
    Conditions conditions;
    bool head_only = false;
    bool keep_alive = false;
    bool http_1_1 = false;
  };

  boost::asio::awaitable<bool> ServeOne();
  boost::asio::awaitable<bool> Fill(std::size_t most);
  template <typename Parser>
  boost::asio::awaitable<bool> ReadHeader(Parser& parser, Response& refusal);
  template <typename Parser>
  boost::asio::awaitable<bool> ReadBody(Parser& parser, std::size_t read_size, Response& refusal);
  boost::asio::awaitable<bool> ReceiveBody(Header& header, Request& request, Response& refusal);
  boost::asio::awaitable<bool> ReceiveFile(Header& header, Request& request, Response& refusal);
  boost::asio::awaitable<Response> Handle(Request request);
  // connection_send.cc
  boost::asio::awaitable<bool> Send(Response response, const Asked& asked);
  boost::asio::awaitable<bool> SendFile(Response response, const Asked& asked);
  boost::asio::awaitable<bool> SendBytesOf(int file, const Part& part);
  boost::asio::awaitable<void> SendSource(Response response, const Asked& asked);
  boost::asio::awaitable<bool> Write(std::string_view first, std::string_view second = {});
  boost::asio::awaitable<bool> UntilWritable();
  void AbortWhenPeerCloses();
  boost::asio::awaitable<void> Refuse(Response refusal);
  void Wake();
  void Within(std::chrono::milliseconds limit);

  Site& site_;
  Worker& worker_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer answered_;  ///< never expires; cancelled when an answer is there
  boost::beast::flat_buffer buffer_;
  std::string head_;
  std::shared_ptr<Exchange> exchange_;
  MonotonicTime deadline_ = MonotonicTime::max();
  bool idle_ = true;  ///< nothing of a request is at work: a stop need not wait
  bool aborted_ = false;
};

}  // namespace muster::http::internal
