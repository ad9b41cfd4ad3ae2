#pragma once

#include <boost/json/value.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Requests, responses and routing without sockets, so that the tracker's, the registry's and the
/// coordinator's routes are written and tested without a server. `runtime/http` moves the bytes.

namespace muster::http {

/// Header names compare without case (RFC 9110, 5.1).
struct NoCaseLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const;
};
using Headers = std::map<std::string, std::string, NoCaseLess>;
/// Query parameters; a key may come several times, values in order.
using Query = std::map<std::string, std::vector<std::string>, std::less<>>;

struct Request {
  std::string method;  ///< "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"
  std::string path;  ///< percent-decoded once, begins with '/'; bytes that are no UTF-8 are U+FFFD
  std::string raw_path;  ///< as it came, still encoded, without the query
  Query query;           ///< as is said of the path; so are the captures
  Headers headers;
  std::string body;
  /// Set instead of `body` when the server spooled a large upload; removed when the request ends, so a
  /// handler that wants to keep the file moves it away.
  std::filesystem::path body_file;
  /// The SHA-256 of `body_file`, 64 hexadecimal digits, taken while it came in; empty without one.
  std::string body_sha256;
  /// What the pattern's {name} parts matched, percent-decoded; {name...} matches the rest with slashes.
  std::map<std::string, std::string, std::less<>> captures;

  [[nodiscard]] std::string_view Header(std::string_view name) const;
  /// The first value of a query key.
  [[nodiscard]] std::optional<std::string> Parameter(std::string_view name) const;
  /// The token of "Authorization: Bearer <token>", or empty.
  [[nodiscard]] std::string_view BearerToken() const;
};

/// A body that is made while it is sent, for as long as the client listens (server-sent events). The
/// connection asks for the next piece when the client has taken the last one, so a slow client makes no
/// queue here: what it missed is the source's to decide.
class BodySource {
 public:
  virtual ~BodySource() = default;
  /// Connection's thread; must not block. What to send now; empty when there is nothing yet; nullopt at the
  /// end of the body.
  virtual std::optional<std::string> Next() = 0;
  /// `wake` is to be called, from any thread and as often as wanted, once Next() has more after it had
  /// nothing. An empty one takes it back: when that call returns, `wake` is not running and never runs again.
  virtual void OnMore(std::function<void()> wake) = 0;
  /// Connection's thread, after the end: false when something is missing. The client then sees a body that broke
  /// off (HTTP/1.1, 7.1), not one that ended.
  [[nodiscard]] virtual bool whole() const { return true; }
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  /// Sent instead of `body` when set. With status 200 the server answers a Range with that part of it (206
  /// or 416), and an `ETag` among the headers makes If-Range and If-None-Match work (RFC 9110, 13 and 14).
  std::filesystem::path body_file;
  /// Kept until the answer is sent: what removes a temporary `body_file`, for one.
  std::shared_ptr<const void> keep;
  /// Sent instead of both when set; the connection closes after it.
  std::shared_ptr<BodySource> source;

  static Response Json(const boost::json::value& value, int status = 200);
  static Response Text(std::string text, int status = 200,
                       std::string_view content_type = "text/plain; charset=utf-8");
};

/// Called exactly once, from any thread. The request outlives the call to it.
using Respond = std::function<void(Response)>;
/// Must not block on sockets or long work, unless its route was added as a blocking one; what waits for a
/// commit keeps `respond` and returns.
using Handler = std::function<void(const Request&, Respond)>;
/// Runs a call soon, on a thread that may wait.
using Defer = std::function<void(std::function<void()>)>;

/// Wraps a function that answers at once.
Handler Sync(std::function<Response(const Request&)> function);

/// The status that an error kind has in muster's own API: 400, 401, 403 (fenced), 404, 409, 501, 503,
/// 507, else 500.
int HttpStatus(ErrorKind kind);
/// {"error": {"code": "NOT_FOUND", "message": "..."}} with that status.
Response ErrorResponse(const Error& error);
/// What a router answers where no pattern matches.
Response NoSuchPath(const Request& request);
/// The other way: what a response with a status of 400 or more says, in muster's form, MLflow's
/// ("error_code", "message") or the Open Inference Protocol's ("error"), else by its status alone.
Error ErrorFromResponse(const Response& response);

/// A table of routes. Filled before serving, then read from any thread. Paths are matched as they came
/// (`raw_path`), so an encoded slash (%2F) does not split a part; captures are decoded.
class Router {
 public:
  Router();
  ~Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;

  /// `pattern` as "/api/muster/v1/sweeps/{id}": a part is a literal or a capture as a whole; a literal
  /// wins over a capture, a capture over `{rest...}`, which may end a pattern and match nothing ("/a/"
  /// but not "/a"). Adding the same method and pattern twice aborts.
  void Add(std::string_view method, std::string_view pattern, Handler handler);
  /// Called when no pattern matches; answers 404 JSON until set.
  void SetFallback(Handler handler);
  /// An error as the protocol at a path says it; the path is empty where none was read.
  using ErrorForm = std::function<Response(const Error& error, std::string_view raw_path)>;
  /// Of what this router, and the server that carries it, refuse by themselves; ErrorResponse until set.
  void SetErrorForm(ErrorForm form);
  /// `refusal`, an ErrorResponse, in that form, with its own status and headers.
  [[nodiscard]] Response InForm(Response refusal, std::string_view raw_path) const;
  /// Several slashes at the begin are one: clients join a server's address and a path. Finds and calls the handler, through `defer` if it is set and the route blocks. HEAD falls back to GET's (the server drops the body); 405 with Allow
  /// when only other methods match.
  void Dispatch(Request request, Respond respond, const Defer& defer = nullptr) const;
  /// True when large bodies of this route are to be spooled to a file (set by AddUpload).
  [[nodiscard]] bool WantsFile(std::string_view method, std::string_view raw_path) const;
  /// As Add, for handlers that wait for a disk or work for long.
  void AddBlocking(std::string_view method, std::string_view pattern, Handler handler);
  /// As AddBlocking, and bodies beyond 1 MiB arrive as `body_file`, of any length.
  void AddUpload(std::string_view method, std::string_view pattern, Handler handler);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Percent-decoding of a path or (with `plus_is_space`) of a query part; a malformed escape stays as is.
std::string PercentDecode(std::string_view text, bool plus_is_space = false);
/// Keeps RFC 3986's unreserved characters, and '/' when told to (a whole path).
std::string PercentEncode(std::string_view text, bool keep_slashes = false);
Query ParseQuery(std::string_view query);
/// Splits a request target ("/a?b=c", or with "http://host" before it) into raw_path, path and query.
void SetTarget(Request& request, std::string_view target);

}  // namespace muster::http
