#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <utility>

#include "runtime/http/connection.h"
#include "runtime/http/encode.h"
#include "runtime/http/worker.h"

/// How an answer gets out: from memory, from a file or from a source.

namespace muster::http::internal {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kFileChunk = 1 << 20;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// A file to read, closed with its scope.
class File {
 public:
  explicit File(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat facts{};
    if (fd_ >= 0 && ::fstat(fd_, &facts) == 0 && S_ISREG(facts.st_mode)) {
      size_ = static_cast<std::uint64_t>(facts.st_size);
      ok_ = true;
    }
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  int fd_;
  std::uint64_t size_ = 0;
  bool ok_ = false;
};

/// A source's wake-up, taken back with its scope.
class Listening {
 public:
  Listening(BodySource& source, std::function<void()> wake) : source_(source) {
    source_.OnMore(std::move(wake));
  }
  ~Listening() { source_.OnMore({}); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

 private:
  BodySource& source_;
};

}  // namespace

asio::awaitable<bool> Connection::Send(Response response, const Asked& asked) {
  if (response.source != nullptr) {
    co_await SendSource(std::move(response), asked);
    co_return false;
  }
  if (!response.body_file.empty()) co_return co_await SendFile(std::move(response), asked);
  CompressIfWanted(asked.accept_encoding, response);
  head_.clear();
  AppendHead(head_, response, response.body.size(), asked.keep_alive, worker_.date());
  const bool has_body = !asked.head_only && response.status != 204 && response.status != 304;
  co_return co_await Write(head_, has_body ? std::string_view(response.body) : "");
}

asio::awaitable<bool> Connection::SendFile(Response response, const Asked& asked) {
  const File file(response.body_file);
  if (!file.ok()) {
    Response gone = ErrorResponse(NotFound("the file of this answer is gone"));
    co_return co_await Send(std::move(gone), asked);
  }
  Part part{response.status, 0, file.size()};
  if (response.status == 200) {
    const auto etag = response.headers.find("ETag");
    part = SelectPart(asked.conditions, etag == response.headers.end() ? "" : etag->second,
                      file.size());
    response.headers["Accept-Ranges"] = "bytes";
  }
  if (part.status == 416) {
    Response refused =
        ErrorResponse(Invalid("the range " + asked.conditions.range + " begins after the end of " +
                              std::to_string(file.size()) + " bytes"));
    refused.status = 416;
    refused.headers["Content-Range"] = ContentRange(part, file.size());
    co_return co_await Send(std::move(refused), asked);
  }
  response.status = part.status;
  if (part.status == 206) response.headers["Content-Range"] = ContentRange(part, file.size());
  head_.clear();
  AppendHead(head_, response, part.length, asked.keep_alive, worker_.date());
  if (!co_await Write(head_)) co_return false;
  co_return asked.head_only || co_await SendBytesOf(file.fd(), part);
}

/// From the page cache to the socket, without a copy through this process.
asio::awaitable<bool> Connection::SendBytesOf(int file, const Part& part) {
  auto offset = static_cast<off_t>(part.offset);
  std::uint64_t left = part.length;
  while (left > 0) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(left, kFileChunk));
    const ssize_t sent = ::sendfile(socket_.native_handle(), file, &offset, want);
    if (sent > 0) {
      left -= static_cast<std::uint64_t>(sent);
      // A client that takes everything at once must not keep the other connections waiting.
      if (left > 0) co_await asio::post(socket_.get_executor(), kTuple);
    } else if (sent < 0 && errno == EAGAIN) {
      if (!co_await UntilWritable()) co_return false;
    } else if (sent == 0 || errno != EINTR) {
      // A file that became shorter: closing early is the only way to tell once the head is out.
      co_return false;
    }
    if (aborted_) co_return false;
  }
  co_return true;
}

/// Until the source ends, the client goes away or is too slow, or the server stops.
/// In chunks where the client knows them: they tell a body that ended from one that broke off.
asio::awaitable<void> Connection::SendSource(Response response, const Asked& asked) {
  const std::shared_ptr<BodySource> source = response.source;
  const bool chunked = asked.http_1_1;
  if (chunked) response.headers["Transfer-Encoding"] = "chunked";
  head_.clear();
  AppendHead(head_, response, std::nullopt, false, worker_.date());
  const Listening listening(*source, [this] { Wake(); });
  // Nothing may be sent for hours: the system finds out about a client whose machine is gone.
  error_code ignored;
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
  AbortWhenPeerCloses();
  if (!co_await Write(head_) || asked.head_only) co_return;
  while (!aborted_) {
    std::optional<std::string> piece = source->Next();
    if (!piece) {
      if (chunked && source->whole()) co_await Write("0\r\n\r\n");
      co_return;
    }
    if (!piece->empty()) {
      head_.clear();
      if (chunked) {
        AppendChunkSize(head_, piece->size());
        *piece += "\r\n";
      }
      if (!co_await Write(head_, *piece)) co_return;
      continue;
    }
    if (worker_.stopping()) co_return;
    idle_ = true;
    deadline_ = MonotonicTime::max();
    co_await answered_.async_wait(kTuple);
    idle_ = false;
  }
}

/// Only while a source is sent, after which the connection closes: what the client says then is of no
/// interest, but that it went away is.
void Connection::AbortWhenPeerCloses() {
  socket_.async_wait(asio::ip::tcp::socket::wait_read,
                     [weak = weak_from_this()](const error_code& failed) {
                       const auto self = weak.lock();
                       if (self == nullptr || failed) return;
                       error_code unknown;
                       if (self->socket_.available(unknown) == 0 || unknown) self->Abort();
                     });
}

/// Writes at once what the socket takes: a small answer needs no turn of the event loop.
asio::awaitable<bool> Connection::Write(std::string_view first, std::string_view second) {
  while (!first.empty() || !second.empty()) {
    const std::array<asio::const_buffer, 2> parts{asio::buffer(first), asio::buffer(second)};
    error_code failed;
    const std::size_t size = socket_.write_some(parts, failed);
    const std::size_t of_first = std::min(size, first.size());
    first.remove_prefix(of_first);
    second.remove_prefix(size - of_first);
    if (failed == asio::error::would_block) {
      if (!co_await UntilWritable()) co_return false;
    } else if (failed) {
      co_return false;
    }
  }
  co_return true;
}

/// False when the client took nothing for too long.
asio::awaitable<bool> Connection::UntilWritable() {
  Within(site_.options.stall_timeout);
  co_await socket_.async_wait(asio::ip::tcp::socket::wait_write, kTuple);
  co_return !aborted_;
}

}  // namespace muster::http::internal
