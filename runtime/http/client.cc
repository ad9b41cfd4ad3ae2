#include "runtime/http/client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/url/parse.hpp>
#include <utility>

#include "runtime/base/clock.h"

namespace muster::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::uint64_t kMaxBodyInMemory = 1ULL << 30;

struct Url {
  std::string host, port;
  std::string authority;  ///< as Host wants it
  std::string target;     ///< path and query; empty or beginning with '/'
};

Result<Url> ParseUrl(std::string_view text) {
  const auto parsed = boost::urls::parse_uri(text);
  if (!parsed) {
    return Invalid("\"" + std::string(text) + "\" is not a URL; wanted http://HOST:PORT");
  }
  if (parsed->scheme() != "http") {
    return Unsupported("\"" + std::string(text) + "\": this client speaks http only");
  }
  if (parsed->host().empty()) return Invalid("\"" + std::string(text) + "\" names no host");
  Url url;
  url.host = parsed->host_address();
  url.port = parsed->has_port() ? std::string(parsed->port()) : "80";
  url.authority = parsed->encoded_host_and_port();
  url.target = parsed->encoded_target();
  return url;
}

bool MaySendTwice(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE";
}

}  // namespace

struct Client::Impl {
  using Head = beast::http::response_parser<beast::http::empty_body>;

  std::string base_url;
  std::chrono::milliseconds timeout{};
  std::string token;
  Result<Url> url;
  asio::io_context context{1};
  tcp::socket socket{context};
  beast::flat_buffer buffer;
  std::string last_step;   ///< for the message of a deadline
  MonotonicTime deadline;  ///< of the exchange that runs
  bool expired = false;    ///< the deadline came: nothing is begun any more

  Impl(std::string base, std::chrono::milliseconds limit)
      : base_url(std::move(base)), timeout(limit), url(ParseUrl(base_url)) {}

  [[nodiscard]] std::string Where(std::string_view target) const {
    return std::string(base_url) + std::string(target);
  }

  /// The time begins anew: at the start, and when bytes of a body have moved.
  void Progress() { deadline = SystemClock().Now() + timeout; }

  /// Runs one exchange within the deadline; a body goes to `download` when it is set.
  Result<Response> Run(std::string_view target, const Request& request,
                       const std::filesystem::path& download) {
    MUSTER_RETURN_IF_ERROR(url.ok() ? Ok() : Status(url.error()));
    std::optional<Result<Response>> result;
    context.restart();
    asio::co_spawn(context, Exchange(target, request, download, result), asio::detached);
    expired = false;
    Progress();
    while (!context.stopped() && SystemClock().Now() < deadline) context.run_until(deadline);
    if (!result) {
      expired = true;
      Close();
      context.run();  // short, as the socket is closed: only a look-up of a name goes on
      return TooLate(target);
    }
    if (!result->ok()) Close();
    return std::move(*result);
  }

  [[nodiscard]] Error TooLate(std::string_view target) const {
    return Unavailable(Where(target) + " " + last_step + " for " + std::to_string(timeout.count()) +
                       " ms");
  }

  void Close() {
    error_code ignored;
    socket.close(ignored);
    buffer.clear();
  }

  /// The kept connection is open, and the peer has said nothing (its end least of all) meanwhile.
  bool KeptAlive() {
    if (!socket.is_open()) return false;
    char byte = 0;
    const ssize_t size = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  asio::awaitable<void> Exchange(std::string_view target, const Request& request,
                                 const std::filesystem::path& download,
                                 std::optional<Result<Response>>& result) {
    const bool kept = KeptAlive();
    if (kept) {
      auto answer = co_await Once(target, request, download);
      const bool again = !expired && !answer.ok() &&
                         answer.error().kind == ErrorKind::kUnavailable &&
                         MaySendTwice(request.method);
      if (!again) {
        result = std::move(answer);
        co_return;
      }
    }
    const Status connected = co_await Connect(target);
    if (connected.ok()) {
      result = co_await Once(target, request, download);
    } else {
      result = connected.error();
    }
  }

  asio::awaitable<Status> Connect(std::string_view target) {
    Close();
    last_step = "could not be connected to";
    tcp::resolver resolver(context);
    auto [unknown, found] = co_await resolver.async_resolve(url->host, url->port, kTuple);
    if (expired) co_return TooLate(target);
    if (unknown) {
      co_return Unavailable("cannot reach " + Where(target) + ": host \"" + url->host +
                            "\": " + unknown.message());
    }
    auto [failed, endpoint] = co_await asio::async_connect(socket, found, kTuple);
    if (expired) co_return TooLate(target);
    if (failed) {
      co_return Unavailable("cannot reach " + Where(target) + ": " + failed.message());
    }
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    co_return Ok();
  }

  template <typename Message>
  void FillHead(Message& message, std::string_view target, const Request& request) {
    message.version(11);
    message.method_string(request.method);
    message.target(url->target == "/" ? std::string(target) : url->target + std::string(target));
    for (const auto& [name, value] : request.headers) message.set(name, value);
    message.set(beast::http::field::host, url->authority);
    if (!token.empty()) message.set(beast::http::field::authorization, "Bearer " + token);
  }

  template <typename Body>
  asio::awaitable<error_code> WriteAll(beast::http::request<Body>& message) {
    beast::http::request_serializer<Body> serializer(message);
    while (!serializer.is_done()) {
      const auto [failed, size] =
          co_await beast::http::async_write_some(socket, serializer, kTuple);
      if (failed) co_return failed;
      Progress();
    }
    co_return error_code();
  }

  template <typename Parser>
  asio::awaitable<error_code> ReadAll(Parser& parser) {
    parser.eager(true);
    while (!parser.is_done()) {
      const auto [failed, size] =
          co_await beast::http::async_read_some(socket, buffer, parser, kTuple);
      if (failed) co_return failed;
      Progress();
    }
    co_return error_code();
  }

  asio::awaitable<Result<Response>> Once(std::string_view target, const Request& request,
                                         const std::filesystem::path& download) {
    last_step = "gave no answer";
    error_code failed;
    if (request.body_file.empty()) {
      beast::http::request<beast::http::string_body> message;
      FillHead(message, target, request);
      message.body() = request.body;
      message.prepare_payload();
      failed = co_await WriteAll(message);
    } else {
      beast::http::request<beast::http::file_body> message;
      FillHead(message, target, request);
      message.body().open(request.body_file.c_str(), beast::file_mode::read, failed);
      if (failed) {
        co_return IoError("cannot read " + request.body_file.string(), failed.value());
      }
      message.prepare_payload();
      failed = co_await WriteAll(message);
    }
    // A server that refuses a long body answers and closes before it has read all: the answer counts.
    const error_code while_sending = failed;
    Head head;
    head.body_limit(boost::none);
    if (request.method == "HEAD") head.skip(true);
    failed = std::get<0>(co_await beast::http::async_read_header(socket, buffer, head, kTuple));
    if (failed) {
      co_return ReadError(target, while_sending ? while_sending : failed);
    }
    co_return co_await ReadBody(target, head, download);
  }

  asio::awaitable<Result<Response>> ReadBody(std::string_view target, Head& head,
                                             const std::filesystem::path& download) {
    Response response;
    response.status = head.get().result_int();
    for (const auto& field : head.get()) {
      response.headers.insert_or_assign(
          std::string(field.name_string().data(), field.name_string().size()),
          std::string(field.value().data(), field.value().size()));
    }
    const bool keep_alive = head.get().keep_alive();
    error_code failed;
    if (download.empty() || response.status >= 300) {
      beast::http::response_parser<beast::http::string_body> parser(std::move(head));
      parser.body_limit(kMaxBodyInMemory);
      failed = co_await ReadAll(parser);
      response.body = std::move(parser.get().body());
    } else {
      beast::http::response_parser<beast::http::file_body> parser(std::move(head));
      parser.body_limit(boost::none);
      parser.get().body().open(download.c_str(), beast::file_mode::write, failed);
      if (failed) co_return IoError("cannot write " + download.string(), failed.value());
      failed = co_await ReadAll(parser);
      response.body_file = download;
    }
    if (failed) co_return ReadError(target, failed);
    if (!keep_alive) Close();
    co_return response;
  }

  [[nodiscard]] Error ReadError(std::string_view target, const error_code& failed) const {
    if (failed == beast::http::error::body_limit) {
      return ResourceExhausted(Where(target) + " answered with more than " +
                               std::to_string(kMaxBodyInMemory) + " bytes");
    }
    if (failed == beast::http::error::end_of_stream ||
        failed == beast::http::error::partial_message ||
        failed.category() == boost::system::system_category() || failed == asio::error::eof) {
      return Unavailable(Where(target) + " closed the connection: " + failed.message());
    }
    return Corrupt(Where(target) + " did not answer in HTTP: " + failed.message());
  }
};

Client::Client(std::string base_url, std::chrono::milliseconds timeout)
    : impl_(std::make_unique<Impl>(std::move(base_url), timeout)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

void Client::SetToken(std::string token) { impl_->token = std::move(token); }
const std::string& Client::base_url() const { return impl_->base_url; }

Result<Response> Client::Send(std::string_view target, Request request) {
  if (request.method.empty()) request.method = "GET";
  return impl_->Run(target, request, {});
}

Result<Response> Client::Get(std::string_view target) { return Send(target, {}); }

Result<boost::json::value> Client::Json(std::string_view method, std::string_view target,
                                        const std::optional<boost::json::value>& body) {
  Request request;
  request.method = method;
  if (body) {
    request.headers.emplace("Content-Type", "application/json");
    request.body = boost::json::serialize(*body);
  }
  MUSTER_ASSIGN_OR_RETURN(const Response response, Send(target, std::move(request)));
  const std::string context = std::string(method) + " " + impl_->Where(target);
  if (response.status >= 400) {
    const auto type = response.headers.find("Content-Type");
    const bool worded =
        type != response.headers.end() && type->second.starts_with("application/json");
    const Error error = ErrorFromResponse(response);
    return worded && response.status < 500 ? error : error.With(context);
  }
  if (response.body.empty()) return boost::json::value();
  error_code failed;
  auto value = boost::json::parse(response.body, failed);
  if (failed) return Corrupt(context + ": the answer is not JSON: " + failed.message());
  return value;
}

Status Client::Download(std::string_view target, const std::filesystem::path& file) {
  const std::filesystem::path partial = file.string() + ".partial-" + std::to_string(::getpid());
  Request request;
  request.method = "GET";
  auto response = impl_->Run(target, request, partial);
  std::error_code failed;
  if (!response.ok() || response->status >= 300) {
    std::filesystem::remove(partial, failed);
    if (!response.ok()) return response.error();
    return ErrorFromResponse(*response).With("GET " + impl_->Where(target));
  }
  std::filesystem::rename(partial, file, failed);
  if (failed) return IoError("cannot write " + file.string(), failed.value());
  return Ok();
}

Status Client::Upload(std::string_view target, const std::filesystem::path& file) {
  Request request;
  request.method = "PUT";
  request.body_file = file;
  MUSTER_ASSIGN_OR_RETURN(const Response response, Send(target, std::move(request)));
  if (response.status >= 400) {
    return ErrorFromResponse(response).With("PUT " + impl_->Where(target));
  }
  return Ok();
}

Result<Response> Fetch(std::string_view url, Request request, std::chrono::milliseconds timeout) {
  const std::size_t scheme = url.find("://");
  const std::size_t start = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::size_t path = std::min(url.find_first_of("/?", start), url.size());
  std::string target(url.substr(path));
  if (!target.starts_with('/')) target.insert(0, "/");
  Client client(std::string(url.substr(0, path)), timeout);
  return client.Send(target, std::move(request));
}

}  // namespace muster::http
