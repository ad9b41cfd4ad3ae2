#include "runtime/http/connection.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <exception>
#include <utility>

#include "runtime/http/spool_body.h"
#include "runtime/http/worker.h"

namespace muster::http::internal {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

namespace {

constexpr std::size_t kReadSize = 64 << 10;
constexpr std::size_t kFileReadSize = 512 << 10;  // fewer turns for what goes to a file
constexpr std::uint32_t kHeaderLimit = 64 << 10;
constexpr std::size_t kDrainLimit = 64 << 20;
constexpr std::chrono::milliseconds kDrainTime{2'000};
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// A spooled upload that the handler did not move away is removed.
class Spooled {
 public:
  ~Spooled() {
    std::error_code ignored;
    if (!file.empty()) std::filesystem::remove(file, ignored);
  }
  Spooled() = default;
  Spooled(const Spooled&) = delete;
  Spooled& operator=(const Spooled&) = delete;
  std::filesystem::path file;
};

template <typename Message>
Request ToRequest(const Message& message) {
  const auto view = [](auto text) { return std::string_view(text.data(), text.size()); };
  Request request;
  request.method = view(message.method_string());
  SetTarget(request, view(message.target()));
  for (const auto& field : message) {
    const auto [entry, is_new] =
        request.headers.try_emplace(std::string(view(field.name_string())), view(field.value()));
    // RFC 9110, 5.2: lines of one name are one list.
    if (!is_new) (entry->second += ", ") += view(field.value());
  }
  return request;
}

/// Nothing is found for a path that is not below the prefix.
void TakePrefix(const std::string& prefix, Request& request) {
  if (prefix.empty()) return;
  if (!request.raw_path.starts_with(prefix + "/")) {
    request.raw_path.clear();
    return;
  }
  // It has no escapes, so it is as long in the decoded path.
  request.raw_path.erase(0, prefix.size());
  request.path.erase(0, prefix.size());
  request.headers["X-Forwarded-Prefix"] += prefix;
}

Conditions ConditionsOf(const Request& request) {
  return {.range = std::string(request.Header("Range")),
          .if_range = std::string(request.Header("If-Range")),
          .if_none_match = std::string(request.Header("If-None-Match"))};
}

Response WithStatus(int status, std::string message) {
  Response response = ErrorResponse(Invalid(std::move(message)));
  response.status = status;
  return response;
}

Response TooLarge(std::uint64_t limit) {
  return WithStatus(413, "the body is longer than " + std::to_string(limit) + " bytes");
}

/// What a parser's or a file's error means to the client.
Response RefusalOf(const error_code& failed) {
  using beast::http::error;
  if (failed == error::header_limit)
    return WithStatus(431, "the request's head, a chunk's line or a trailer is too long");
  if (failed == error::body_limit) return WithStatus(413, "the body is too long");
  if (failed.category() == error_code(error::bad_method).category()) {
    return WithStatus(400, "malformed request: " + failed.message());
  }
  if (failed == boost::system::errc::no_space_on_device) {
    return ErrorResponse(ResourceExhausted("no room on this server's disk for the upload"));
  }
  return ErrorResponse(Internal("the upload could not be written: " + failed.message()));
}

/// A handler that throws has answered.
void Call(Ticket& ticket, const std::function<void()>& handler) {
  try {
    handler();
  } catch (const std::exception& error) {
    ticket.Answer(ErrorResponse(Internal(std::string("the handler failed: ") + error.what())));
  } catch (...) {
    ticket.Answer(ErrorResponse(Internal("the handler failed")));
  }
}

}  // namespace

Connection::Connection(Site& site, Worker& worker, asio::ip::tcp::socket socket)
    : site_(site),
      worker_(worker),
      socket_(std::move(socket)),
      answered_(socket_.get_executor(), asio::steady_timer::time_point::max()) {
  ++site_.connections;
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

Connection::~Connection() {
  if (exchange_ != nullptr) exchange_->Close();
  --site_.connections;
}

void Connection::Abort() {
  aborted_ = true;
  deadline_ = MonotonicTime::max();
  error_code ignored;
  socket_.close(ignored);
  answered_.cancel();
}

void Connection::Within(std::chrono::milliseconds limit) {
  deadline_ = SystemClock().Now() + limit;
}

asio::awaitable<void> Connection::Run() {
  if (site_.connections > site_.options.max_connections) {
    co_await Refuse(
        site_.router->InForm(ErrorResponse(Unavailable("too many connections; try again")), {}));
    co_return;
  }
  while (co_await ServeOne()) {
  }
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

/// True when another request may follow.
asio::awaitable<bool> Connection::ServeOne() {
  if (buffer_.size() == 0) {
    if (worker_.stopping()) co_return false;
    idle_ = true;
    Within(site_.options.idle_timeout);
    if (!co_await Fill(kReadSize)) co_return false;
  }
  idle_ = false;
  Within(site_.options.header_timeout);
  Header header;
  header.header_limit(kHeaderLimit);
  header.body_limit(boost::none);  // the route decides, after the head is read
  Response refusal{.status = 0};
  bool received = co_await ReadHeader(header, refusal);
  Request request;
  Spooled spooled;
  if (received) {
    request = ToRequest(header.get());
    TakePrefix(site_.options.path_prefix, request);
    auto refused = site_.guard.Check(request, header.get().version() >= 11);
    if (!refused && site_.options.admit) refused = site_.options.admit(request);
    if (refused) {
      refusal = std::move(*refused);
      received = false;
    }
  }
  const bool keep_alive =
      received && header.get().keep_alive();  // a body's parser takes the header
  const bool http_1_1 = received && header.get().version() >= 11;
  if (received && !header.is_done()) {
    received = co_await ReceiveBody(header, request, refusal);
    spooled.file = request.body_file;
  }
  if (!received) {
    if (refusal.status != 0)
      co_await Refuse(site_.router->InForm(std::move(refusal), request.raw_path));
    co_return false;
  }
  Asked asked{.accept_encoding = std::string(request.Header("Accept-Encoding")),
              .conditions = ConditionsOf(request),
              .head_only = request.method == "HEAD",
              .http_1_1 = http_1_1};
  deadline_ = MonotonicTime::max();  // a handler takes its time
  Response response = co_await Handle(std::move(request));
  if (aborted_) co_return false;
  asked.keep_alive = keep_alive && !worker_.stopping();
  co_return co_await Send(std::move(response), asked) && asked.keep_alive;
}

/// False when the peer is gone or the deadline came.
asio::awaitable<bool> Connection::Fill(std::size_t most) {
  if (aborted_) co_return false;
  const auto [failed, size] = co_await socket_.async_read_some(buffer_.prepare(most), kTuple);
  buffer_.commit(size);
  co_return !failed && !aborted_;
}

/// False with a status in `refusal`, or without one when there is nobody to tell.
template <typename Parser>
asio::awaitable<bool> Connection::ReadHeader(Parser& parser, Response& refusal) {
  while (true) {
    error_code failed;
    if (buffer_.size() > 0) buffer_.consume(parser.put(buffer_.data(), failed));
    if (failed && failed != beast::http::error::need_more) {
      refusal = RefusalOf(failed);
      co_return false;
    }
    if (parser.is_header_done()) co_return true;
    if (!co_await Fill(kReadSize)) co_return false;
  }
}

template <typename Parser>
asio::awaitable<bool> Connection::ReadBody(Parser& parser, std::size_t read_size,
                                           Response& refusal) {
  parser.eager(true);
  while (true) {
    error_code failed;
    if (buffer_.size() > 0) buffer_.consume(parser.put(buffer_.data(), failed));
    if (failed && failed != beast::http::error::need_more) {
      refusal = RefusalOf(failed);
      co_return false;
    }
    if (parser.is_done()) co_return true;
    // The body's own bytes are taken as they come; what stays is an unended chunk line or trailer.
    if (buffer_.size() > kHeaderLimit) {
      refusal = RefusalOf(beast::http::error::header_limit);
      co_return false;
    }
    Within(site_.options.stall_timeout);
    if (!co_await Fill(read_size)) co_return false;
  }
}

asio::awaitable<bool> Connection::ReceiveBody(Header& header, Request& request, Response& refusal) {
  const bool upload = site_.router->WantsFile(request.method, request.raw_path);
  const auto length = header.content_length();
  const auto& options = site_.options;
  const std::uint64_t limit = upload ? options.max_upload : options.max_body;
  if (length && *length > limit) {
    refusal = TooLarge(limit);
    co_return false;
  }
  if (beast::iequals(header.get()[beast::http::field::expect], "100-continue") &&
      !co_await Write("HTTP/1.1 100 Continue\r\n\r\n")) {
    co_return false;
  }
  if (upload && (!length || *length > options.spool_above)) {
    co_return co_await ReceiveFile(header, request, refusal);
  }
  beast::http::request_parser<beast::http::string_body> parser(std::move(header));
  parser.body_limit(limit);
  if (!co_await ReadBody(parser, kReadSize, refusal)) co_return false;
  request.body = std::move(parser.get().body());
  co_return true;
}

asio::awaitable<bool> Connection::ReceiveFile(Header& header, Request& request, Response& refusal) {
  beast::http::request_parser<SpoolBody> parser(std::move(header));
  parser.body_limit(site_.options.max_upload);
  const auto file = site_.options.spool_dir / ("upload-" + std::to_string(::getpid()) + "-" +
                                               std::to_string(++site_.uploads));
  request.body_file = file;  // from here on the caller removes it
  SpoolBody::value_type& body = parser.get().body();
  if (const error_code failed = body.Create(file)) {
    refusal = RefusalOf(failed);
    co_return false;
  }
  const bool received = co_await ReadBody(parser, kFileReadSize, refusal);
  body.Close();
  if (received) request.body_sha256 = body.Sha256Hex();
  co_return received;
}

asio::awaitable<Response> Connection::Handle(Request request) {
  exchange_ = std::make_shared<Exchange>([this] { Wake(); });
  {
    // Held across the call, so that the reason of a throw comes before "no answer".
    const auto ticket = std::make_shared<Ticket>(exchange_);
    const auto respond = [ticket](Response response) { ticket->Answer(std::move(response)); };
    const auto defer = [&site = site_, ticket](std::function<void()> handler) {
      if (!site.pool.Post([ticket, handler = std::move(handler)] { Call(*ticket, handler); })) {
        ticket->Answer(site.router->InForm(
            ErrorResponse(Unavailable("too many requests wait; try again")), {}));
      }
    };
    Call(*ticket, [&] { site_.router->Dispatch(std::move(request), respond, defer); });
  }
  auto response = exchange_->Wait();
  while (!response && !aborted_) {
    co_await answered_.async_wait(kTuple);
    response = exchange_->Wait();
  }
  exchange_->Close();
  co_return response ? std::move(*response) : Response{};
}

void Connection::Wake() {
  // Runs on the answering thread; only the io_context may be touched from there.
  asio::post(worker_.context(), [self = shared_from_this()] { self->answered_.cancel(); });
}

/// Answers and closes. What the client still sends is read and dropped for a while: closing with unread
/// bytes resets the connection, which would take the answer away from the client.
asio::awaitable<void> Connection::Refuse(Response refusal) {
  const Asked nothing;  // gcc 12 destroys a temporary argument of co_await twice
  if (!co_await Send(std::move(refusal), nothing)) co_return;
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  Within(kDrainTime);
  for (std::size_t dropped = 0; dropped < kDrainLimit;) {
    buffer_.clear();
    if (!co_await Fill(kReadSize)) break;
    dropped += buffer_.size();
  }
}

}  // namespace muster::http::internal
