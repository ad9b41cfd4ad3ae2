#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/wire/http.h"

/// Requests to servers that are not ours, over http and https, by libcurl (its multi interface): many at once on one
/// thread. Certificates are verified, proxies of the environment are not used. libcurl is loaded by the first request
/// (runtime/curl). `client.h` is for our own servers.

namespace muster::http {

struct CurlOptions {
  /// Of a request, and of where it is redirected.
  std::vector<std::string> schemes = {"https"};
  /// Asked with every address, as text, before it is connected to, also after a redirect, so that a name which
  /// resolves anew cannot lead elsewhere. Empty: every address will do.
  std::function<bool(std::string_view address)> allow;
  /// Redirects that are followed, as browsers do: 301, 302 and 303 turn a POST into a GET.
  long most_redirects = 30;
  /// Of an answer's body; what comes beyond is cut off.
  std::size_t most_body = std::size_t{1} << 20;
  /// A file of certificates to trust instead of the system's; for tests.
  std::string ca_file;
};

struct CurlRequest {
  std::string method = "POST", url, body;
  Headers headers;
  std::chrono::milliseconds timeout = std::chrono::seconds(30);  ///< of the whole exchange
};

/// One thread, but for Wake.
class CurlClient {
 public:
  /// Any answer, whatever its status; kUnsupported without libcurl; kFenced when a URL or address is not allowed; kUnavailable when there is no
  /// answer: no connection, a broken one, a wrong certificate, too many redirects, the timeout.
  using Done = std::function<void(Result<Response>)>;

  explicit CurlClient(CurlOptions options);
  /// Drops what is under way; its `done` is not called.
  ~CurlClient();
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  /// Starts; `done` is called once, within Run.
  void Send(CurlRequest request, Done done);
  /// Moves bytes and calls the `done` of what ended, which may Send; then waits for more, at most `wait`.
  void Run(std::chrono::milliseconds wait);
  /// Ends the wait of Run, or of the next one. From any thread.
  void Wake();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::http
