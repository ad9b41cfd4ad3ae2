#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/wire/http.h"

/// A blocking HTTP/1.1 client for the command line and for tests. An error is about the transport: a
/// refused connection, a deadline (kUnavailable, naming the URL) or an answer that is not HTTP
/// (kCorrupt). A status of 400 and more is an answer, except for Json and Download, which say so.

namespace muster::http {

/// One request. `url` is "http://host[:port][/path][?query]", already encoded, and stands for the
/// request's path and query. `request.method` empty is GET; `request.body_file` is sent instead of `body`
/// when set. The exchange ends `timeout` after its start, or after bytes of the request or of the answer's
/// body last moved: a long body may take as long as it flows. Only the system's look-up of a name cannot be
/// cut short.
Result<Response> Fetch(std::string_view url, Request request, std::chrono::milliseconds timeout);

/// One server and one kept connection. Not safe from two threads at once.
///
/// A kept connection that the server has closed meanwhile is opened anew; a request is sent twice only
/// when it may be (GET, HEAD, PUT, DELETE) and its time is not over.
class Client {
 public:
  /// `base_url` and `timeout` as of Fetch; the URL's path, if it has one, stands before every target.
  explicit Client(std::string base_url,
                  std::chrono::milliseconds timeout = std::chrono::milliseconds(60'000));
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  /// Sent as "Authorization: Bearer <token>" with every request; empty: not sent.
  void SetToken(std::string token);

  /// `target` is "/path?query", already encoded (PercentEncode); stands for the request's path and query.
  Result<Response> Send(std::string_view target, Request request);
  Result<Response> Get(std::string_view target);

  /// Sends `body` (when there is one) as JSON and answers the JSON of a status below 400 (null for an
  /// empty body); above, the error that the body describes. What the server says in JSON about the request
  /// (a status below 500) is a sentence of its own; anything else gets the method and URL before it.
  Result<boost::json::value> Json(std::string_view method, std::string_view target,
                                  const std::optional<boost::json::value>& body = std::nullopt);

  /// The answer's body becomes `file`, which is whole or not there (a neighbour that is renamed).
  Status Download(std::string_view target, const std::filesystem::path& file);
  /// PUTs the bytes of `file`; a status of 400 or more is an error as of Json.
  Status Upload(std::string_view target, const std::filesystem::path& file);

  [[nodiscard]] const std::string& base_url() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::http
