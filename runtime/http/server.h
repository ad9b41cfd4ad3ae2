#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/wire/http.h"

/// The HTTP/1.1 server (RFC 9112) that carries a Router's routes: Boost.Beast parses, Asio moves the
/// bytes. Each thread has its own connections; a handler runs on its connection's thread, that of a blocking
/// route on one of a few others, and may answer there or later from any other. Keep-alive, TCP_NODELAY, Expect: 100-continue, gzip of text beyond
/// 4 KiB when the client takes it, files both ways (parts of them by Range, hashed as they come in), bodies that
/// are made while they are sent.
///
/// What it refuses by itself, as the router's ErrorForm says it: a malformed request (400), a foreign Host or Origin (403), a body
/// beyond the limit (413), a head, a chunk's line or a trailer beyond 64 KiB (431), a request of a blocking
/// route while 1024 wait for a thread (503); a handler that throws or drops its `respond`
/// answers 500. A client that is too slow is cut off.

namespace muster::http {

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< a name or an address to listen on
  std::uint16_t port = 0;          ///< 0: a free one
  int threads = 1;                 ///< 1..64, of the connections
  int blocking_threads = 4;        ///< 1..64, of the blocking routes' handlers
  /// Bytes of a body that is kept in memory; a longer one is answered with 413.
  std::uint64_t max_body = 64ULL << 20;
  /// Upload routes: beyond this many bytes the body arrives as a file, of at most `max_upload` bytes.
  std::uint64_t spool_above = 1ULL << 20;
  std::uint64_t max_upload = 1ULL << 40;
  /// Where uploads are spooled; a file system that handlers can rename from. It belongs to this server:
  /// left-over uploads in it are removed at the start. Empty: the system's folder for temporary files.
  std::filesystem::path spool_dir;
  /// Names beside localhost, 127.0.0.1, [::1] and `host` that a request's Host may carry (no port).
  std::vector<std::string> allowed_hosts;
  /// Must be set to listen beyond this machine. Then any Host is taken, unless allowed_hosts names some.
  bool allow_remote = false;
  /// Of a request's head, before its body is taken; a response is the refusal. On a connection's thread, not to block.
  std::function<std::optional<Response>(const Request&)> admit = {};
  /// What every path begins with ("/a/b"); others answer 404. The routes see what follows it, and it in
  /// X-Forwarded-Prefix, as behind a proxy that takes it off.
  std::string path_prefix = {};
  int max_connections = 4096;                      ///< one more is answered with 503 and closed
  std::chrono::milliseconds idle_timeout{75'000};  ///< between requests
  std::chrono::milliseconds header_timeout{
      10'000};  ///< from a request's first byte to its head's end
  std::chrono::milliseconds stall_timeout{30'000};  ///< without progress of a body, either way
  std::chrono::milliseconds stop_grace{5'000};      ///< how long Stop waits for requests in flight
};

class Server {
 public:
  /// Listens and serves. `router` must outlive the server. kInvalid names a wrong option, kUnauthorized
  /// an address that others can reach without `allow_remote`, kConflict a port that is taken.
  static Result<std::unique_ptr<Server>> Start(const ServerOptions& options, const Router& router);

  ~Server();  ///< stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string url() const;  ///< "http://127.0.0.1:7070", without a slash at the end

  /// Takes no more connections, lets requests in flight finish within the grace, then cuts off what is
  /// left; a `respond` called after that does nothing. Returns when all threads have ended. May be called
  /// again; not from a handler.
  void Stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::http
