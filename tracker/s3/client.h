#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/result.h"
#include "tracker/s3/sigv4.h"

/// Signed requests to one bucket, by libcurl. Any thread; connections are kept and used again.

namespace muster::tracker::s3 {

struct Bucket {
  std::string
      endpoint;  ///< "http://127.0.0.1:9000" (then /bucket/key); empty: AWS (bucket.s3.region...)
  std::string region = "us-east-1";
  std::string name;
  Credentials credentials;
};

struct Call {
  std::string method = "GET";
  std::string key;  ///< not encoded; empty: the bucket itself
  Pairs query;
  std::string body;
  /// Sent instead of `body` when set: `length` bytes of it from `offset` on.
  std::filesystem::path body_file;
  std::uint64_t offset = 0, length = 0;
  std::string body_sha256;  ///< of the file, if known
  /// Where the answer's body goes when the status is 200; empty: to Reply::body.
  std::filesystem::path save_to;
};

struct Reply {
  long status = 0;
  std::string body;  ///< of at most 16 MiB
  std::string etag;
  std::int64_t length = 0;  ///< Content-Length
};

class Client {
 public:
  Client(Bucket bucket, const Clock& clock);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Any status is an answer; kUnavailable when there was none (no connection within 10 s, or nothing moved
  /// for a minute). Answers of 500 and above, and none at all, are tried three times.
  Result<Reply> Send(const Call& call);
  /// The call's address with its own signature.
  [[nodiscard]] std::string Presigned(const Call& call, std::chrono::seconds good_for) const;

 private:
  struct Handle;
  [[nodiscard]] Unsigned RequestOf(const Call& call) const;
  [[nodiscard]] Result<Reply> Try(Handle& handle, const Call& call) const;
  Result<std::unique_ptr<Handle>> Take();
  void Return(std::unique_ptr<Handle> handle);

  const Bucket bucket_;
  const Clock& clock_;
  std::string scheme_, host_, root_;  // "https", "b.s3.eu-west-1.amazonaws.com", "" or "/bucket"
  std::mutex mutex_;                  // guards idle_
  std::vector<std::unique_ptr<Handle>> idle_;
};

}  // namespace muster::tracker::s3
