#include "runtime/http/server.h"

#include <fcntl.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <thread>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/http/worker.h"

namespace muster::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr int kMaxThreads = 64;
constexpr int kBacklog = 1024;
constexpr std::chrono::milliseconds kAcceptPause{50};
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// Asio opens sockets that children would inherit: a rank started meanwhile would hold a client's
/// connection open after we closed it, and the port after we ended.
void CloseOnExec(int descriptor) { ::fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

std::string Address(const ServerOptions& options) {
  return options.host + ":" + std::to_string(options.port);
}

Status CheckPrefix(const std::string& prefix) {
  if (prefix.empty() || (prefix.starts_with('/') && !prefix.ends_with('/') &&
                         PercentEncode(prefix, /*keep_slashes=*/true) == prefix)) {
    return Ok();
  }
  return Invalid("the prefix \"" + prefix +
                 "\" of all paths must begin with a slash, end in none, and have letters, digits, "
                 "'-', '.', '_', '~' and slashes only");
}

Status Validate(const ServerOptions& options) {
  for (const int threads : {options.threads, options.blocking_threads}) {
    if (threads < 1 || threads > kMaxThreads) {
      return Invalid("the HTTP server wants 1 to 64 threads, got " + std::to_string(threads));
    }
  }
  if (options.max_connections < 1) {
    return Invalid("the HTTP server wants at least 1 connection, got " +
                   std::to_string(options.max_connections));
  }
  return CheckPrefix(options.path_prefix);
}

Result<tcp::endpoint> Resolve(asio::io_context& context, const ServerOptions& options) {
  error_code failed;
  tcp::resolver resolver(context);
  std::string host = options.host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto found = resolver.resolve(host, std::to_string(options.port), failed);
  if (failed || found.empty()) {
    return Invalid("cannot listen on host \"" + options.host + "\": " + failed.message());
  }
  // "localhost" may name both families; IPv4 is the one that every client tries.
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

Error ListenError(const ServerOptions& options, const error_code& error) {
  if (error == asio::error::address_in_use) {
    return Conflict("port " + std::to_string(options.port) + " on " + options.host +
                    " is taken by another program; stop that one, or choose another port "
                    "(--port 0 picks a free one)");
  }
  return IoError("cannot listen on " + Address(options), error.value());
}

Status PrepareSpool(ServerOptions& options) {
  std::error_code failed;
  if (options.spool_dir.empty()) {
    options.spool_dir = std::filesystem::temp_directory_path(failed);
    if (failed) return IoError("no folder for temporary files", failed.value());
    return Ok();
  }
  std::filesystem::create_directories(options.spool_dir, failed);
  std::filesystem::directory_iterator entries(options.spool_dir, failed);
  if (failed) {
    return IoError("cannot use " + options.spool_dir.string() + " for uploads", failed.value());
  }
  std::vector<std::filesystem::path> left_over;
  for (const auto& entry : entries) {
    if (entry.path().filename().string().starts_with("upload-")) left_over.push_back(entry.path());
  }
  for (const auto& file : left_over) std::filesystem::remove(file, failed);
  return Ok();
}

internal::Guard MakeGuard(const ServerOptions& options, bool loopback) {
  std::vector<std::string> hosts{"localhost", "127.0.0.1", "[::1]", options.host};
  hosts.insert(hosts.end(), options.allowed_hosts.begin(), options.allowed_hosts.end());
  return {std::move(hosts), !loopback && options.allowed_hosts.empty()};
}

}  // namespace

struct Server::Impl {
  using Workers = std::vector<std::unique_ptr<internal::Worker>>;

  Impl(const ServerOptions& options, const Router& router, bool loopback)
      : site{options,
             &router,
             MakeGuard(options, loopback),
             internal::Pool(options.blocking_threads),
             0,
             0},
        workers(MakeWorkers(site)) {}

  static Workers MakeWorkers(internal::Site& site) {
    Workers workers;
    for (int i = 0; i < site.options.threads; ++i) {
      workers.push_back(std::make_unique<internal::Worker>(site));
    }
    return workers;
  }

  Status Listen(const tcp::endpoint& endpoint) {
    error_code failed;
    acceptor.open(endpoint.protocol(), failed);
    if (!failed) CloseOnExec(acceptor.native_handle());
    if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed) acceptor.bind(endpoint, failed);
    if (!failed) acceptor.listen(kBacklog, failed);
    if (failed) return ListenError(site.options, failed);
    port = acceptor.local_endpoint(failed).port();
    return Ok();
  }

  void Run() {
    asio::co_spawn(workers.front()->context(), Accept(), asio::detached);
    for (auto& worker : workers) threads.emplace_back([&worker] { worker->Run(); });
  }

  asio::awaitable<void> Accept() {
    for (std::size_t next = 0; acceptor.is_open(); next = (next + 1) % workers.size()) {
      internal::Worker& worker = *workers[next];
      auto [failed, socket] = co_await acceptor.async_accept(worker.context(), kTuple);
      if (!acceptor.is_open()) break;
      if (failed) {
        // Out of descriptors, mostly. Accepting again at once would spin.
        LogWarning("http", "cannot accept a connection: " + failed.message());
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(kTuple);
        continue;
      }
      CloseOnExec(socket.native_handle());
      worker.Adopt(std::move(socket));
    }
  }

  void Stop() {
    if (threads.empty()) return;
    const MonotonicTime end = SystemClock().Now() + site.options.stop_grace;
    asio::post(workers.front()->context(), [this, end] {
      error_code ignored;
      acceptor.close(ignored);
      pause.cancel();
      for (auto& worker : workers) worker->BeginStop(end);
    });
    for (auto& thread : threads) thread.join();
    threads.clear();
    site.pool.Stop();
  }

  internal::Site site;
  Workers workers;
  tcp::acceptor acceptor{workers.front()->context()};
  asio::steady_timer pause{workers.front()->context()};
  std::vector<std::thread> threads;
  std::uint16_t port = 0;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { Stop(); }

Result<std::unique_ptr<Server>> Server::Start(const ServerOptions& wanted, const Router& router) {
  ServerOptions options = wanted;
  MUSTER_RETURN_IF_ERROR(Validate(options));
  asio::io_context resolving;
  MUSTER_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, Resolve(resolving, options));
  const bool loopback = endpoint.address().is_loopback();
  if (!loopback && !options.allow_remote) {
    return Unauthorized("host \"" + options.host +
                        "\" can be reached from other machines, and this server has no login; "
                        "listen on 127.0.0.1, or allow it explicitly");
  }
  MUSTER_RETURN_IF_ERROR(PrepareSpool(options));
  auto impl = std::make_unique<Impl>(options, router, loopback);
  MUSTER_RETURN_IF_ERROR(impl->Listen(endpoint));
  impl->Run();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::port() const { return impl_->port; }

std::string Server::url() const {
  const std::string& host = impl_->site.options.host;
  const bool bare_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  return "http://" + (bare_v6 ? "[" + host + "]" : host) + ":" + std::to_string(impl_->port);
}

void Server::Stop() { impl_->Stop(); }

}  // namespace muster::http
