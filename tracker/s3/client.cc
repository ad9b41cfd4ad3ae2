#include "tracker/s3/client.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "runtime/base/sha256.h"
#include "runtime/curl/library.h"
#include "runtime/wire/http.h"

namespace muster::tracker::s3 {

namespace {

constexpr int kTries = 3;
constexpr std::size_t kBodyMax = 16 << 20;
constexpr std::size_t kIdleMax = 16;
constexpr long kConnectSeconds = 10;
constexpr long kStallSeconds = 60;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// Where the bytes of one exchange come from and go to.
struct Exchange {
  const Call& call;
  const curl::Library& library;
  CURL* curl;
  File from, to;
  std::uint64_t left = 0;
  Reply reply;
};

std::size_t OnHeader(char* data, std::size_t one, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line(data, one * size);
  constexpr std::string_view kEtag = "etag:";
  const auto same = [](char a, char b) { return (a | 0x20) == b || a == b; };
  if (line.size() > kEtag.size() && std::equal(kEtag.begin(), kEtag.end(), line.begin(),
                                               [&](char b, char a) { return same(a, b); })) {
    const std::size_t begin = line.find_first_not_of(' ', kEtag.size());
    const std::size_t end = line.find_last_not_of("\r\n ");
    if (begin <= end) exchange.reply.etag = line.substr(begin, end - begin + 1);
  }
  return line.size();
}

std::size_t OnBody(char* data, std::size_t one, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::size_t count = one * size;
  long status = 0;
  exchange.library.easy_getinfo(exchange.curl, CURLINFO_RESPONSE_CODE, &status);
  if (exchange.to != nullptr && status == 200) {
    return std::fwrite(data, 1, count, exchange.to.get());
  }
  if (exchange.reply.body.size() + count > kBodyMax) return 0;
  exchange.reply.body.append(data, count);
  return count;
}

std::size_t OnRead(char* data, std::size_t one, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(exchange.left, one * size));
  const std::size_t count = std::fread(data, 1, want, exchange.from.get());
  if (count < want) return CURL_READFUNC_ABORT;  // the file became shorter
  exchange.left -= count;
  return count;
}

}  // namespace

struct Client::Handle {
  const curl::Library& library;
  CURL* curl;
  explicit Handle(const curl::Library& loaded) : library(loaded), curl(loaded.easy_init()) {}
  ~Handle() { library.easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
};

Client::Client(Bucket bucket, const Clock& clock) : bucket_(std::move(bucket)), clock_(clock) {
  const std::size_t scheme = bucket_.endpoint.find("://");
  if (bucket_.endpoint.empty()) {
    scheme_ = "https";
    host_ = bucket_.name + ".s3." + bucket_.region + ".amazonaws.com";
  } else {
    scheme_ = scheme == std::string::npos ? "https" : bucket_.endpoint.substr(0, scheme);
    host_ = scheme == std::string::npos ? bucket_.endpoint : bucket_.endpoint.substr(scheme + 3);
    while (host_.ends_with('/')) host_.pop_back();
    root_ = "/" + bucket_.name;
  }
}

Client::~Client() = default;

Result<std::unique_ptr<Client::Handle>> Client::Take() {
  MUSTER_ASSIGN_OR_RETURN(const curl::Library* library, curl::Load());
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Handle>(*library);
  auto handle = std::move(idle_.back());
  idle_.pop_back();
  return handle;
}

void Client::Return(std::unique_ptr<Handle> handle) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(handle));
}

Unsigned Client::RequestOf(const Call& call) const {
  return {call.method,
          root_ + "/" + http::PercentEncode(call.key, true),
          call.query,
          {{"host", host_}}};
}

std::string Client::Presigned(const Call& call, std::chrono::seconds good_for) const {
  Unsigned request = RequestOf(call);
  Presign(request, bucket_.credentials, {bucket_.region, clock_.UnixNow() / 1000},
          good_for.count());
  return scheme_ + "://" + host_ + request.path + "?" + QueryText(request.query);
}

Result<Reply> Client::Send(const Call& call) {
  MUSTER_ASSIGN_OR_RETURN(std::unique_ptr<Handle> handle, Take());
  for (int attempt = 1;; ++attempt) {
    auto reply = Try(*handle, call);
    const bool again = reply ? reply->status >= 500 : reply.error().kind == ErrorKind::kUnavailable;
    if (again && attempt < kTries) continue;
    Return(std::move(handle));
    return reply;
  }
}

Result<Reply> Client::Try(Handle& handle, const Call& call) const {
  Unsigned request = RequestOf(call);
  const std::string hash = call.body_file.empty() ? Sha256Hex(call.body) : call.body_sha256;
  Sign(request, bucket_.credentials, {bucket_.region, clock_.UnixNow() / 1000},
       hash.empty() ? kUnsignedPayload : hash);
  std::string url = scheme_ + "://" + host_ + request.path;
  if (!request.query.empty()) url += "?" + QueryText(request.query);

  const curl::Library& library = handle.library;
  CURL* const curl = handle.curl;
  library.easy_reset(curl);  // keeps the connection
  Exchange exchange{call, library, curl, nullptr, nullptr, call.length, {}};
  curl_slist* lines = nullptr;
  for (const auto& [name, value] : request.headers) {
    lines = library.slist_append(lines, (name + ": " + value).c_str());
  }
  lines = library.slist_append(lines, "Expect:");
  lines = library.slist_append(lines, "Content-Type: application/octet-stream");  // not curl's form
  const std::unique_ptr<curl_slist, decltype(library.slist_free_all)> headers(
      lines, library.slist_free_all);
  if (!call.save_to.empty()) {
    exchange.to.reset(std::fopen(call.save_to.c_str(), "wbe"));
    if (exchange.to == nullptr) return IoError(call.save_to.string(), errno);
  }
  library.easy_setopt(curl, CURLOPT_URL, url.c_str());
  library.easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call.method.c_str());
  library.easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  library.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  library.easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);  // the path that was signed
  library.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  library.easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  library.easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  library.easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  library.easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  library.easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  library.easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  library.easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  if (call.method == "HEAD") library.easy_setopt(curl, CURLOPT_NOBODY, 1L);
  if (!call.body_file.empty()) {
    exchange.from.reset(std::fopen(call.body_file.c_str(), "rbe"));
    if (exchange.from == nullptr ||
        ::fseeko(exchange.from.get(), static_cast<off_t>(call.offset), SEEK_SET) != 0) {
      return IoError(call.body_file.string(), errno);
    }
    library.easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    library.easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(call.length));
    library.easy_setopt(curl, CURLOPT_READFUNCTION, OnRead);
    library.easy_setopt(curl, CURLOPT_READDATA, &exchange);
  } else if (call.method == "PUT" || call.method == "POST") {
    library.easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                        static_cast<curl_off_t>(call.body.size()));
    library.easy_setopt(curl, CURLOPT_POSTFIELDS, call.body.data());
  }

  const CURLcode failed = library.easy_perform(curl);
  if (failed != CURLE_OK) {
    return Unavailable("no answer from " + scheme_ + "://" + host_ + ": " +
                       library.easy_strerror(failed));
  }
  if (exchange.to != nullptr && std::fflush(exchange.to.get()) != 0) {
    return IoError(call.save_to.string(), errno);
  }
  library.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange.reply.status);
  curl_off_t length = 0;
  library.easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  exchange.reply.length = static_cast<std::int64_t>(length);
  return std::move(exchange.reply);
}

}  // namespace muster::tracker::s3
