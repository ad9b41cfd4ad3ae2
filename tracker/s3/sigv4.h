#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

/// AWS Signature Version 4 for S3: of a request's headers, and of an address that carries its own signature.
/// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html. Pure.

namespace muster::tracker::s3 {

struct Credentials {
  std::string access_key, secret_key;
  std::string session_token;  ///< of temporary credentials; else empty
};

/// Names and values of a query or of headers, not encoded; header names in lower case.
using Pairs = std::map<std::string, std::string>;

struct Unsigned {
  std::string method;
  std::string path;  ///< percent-encoded once, as it is sent, beginning with '/'
  Pairs query;
  Pairs headers;  ///< those that are signed; "host" is one of them
};

struct Scope {
  std::string region;
  std::int64_t unix_seconds = 0;  ///< S3 refuses a request that is 15 minutes off
};

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

/// Adds "x-amz-date", "x-amz-content-sha256", the session's token and "authorization" to the headers.
/// `payload_sha256` is the body's SHA-256 in hex, or kUnsignedPayload.
void Sign(Unsigned& request, const Credentials& credentials, const Scope& scope,
          std::string_view payload_sha256);

/// Adds the signature to the query, good for `seconds` (1 to 604,800) from the scope's time on, for a body that
/// is not signed.
void Presign(Unsigned& request, const Credentials& credentials, const Scope& scope,
             std::int64_t seconds);

/// "a=b&c=d%2Fe": sorted and encoded, as it is signed and sent.
std::string QueryText(const Pairs& query);

}  // namespace muster::tracker::s3
