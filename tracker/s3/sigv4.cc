#include "tracker/s3/sigv4.h"

#include <array>
#include <ctime>

#include "runtime/base/sha256.h"
#include "runtime/wire/http.h"

namespace muster::tracker::s3 {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

/// "20130524T000000Z"
std::string TimeText(std::int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts)};
}

std::string ScopeText(const Scope& scope) {
  return TimeText(scope.unix_seconds).substr(0, 8) + "/" + scope.region + "/s3/aws4_request";
}

/// "host;range;x-amz-date"
std::string SignedHeaders(const Pairs& headers) {
  std::string names;
  for (const auto& [name, value] : headers) names += (names.empty() ? "" : ";") + name;
  return names;
}

/// The canonical request, then the string to sign, then its signature.
std::string Signature(const Unsigned& request, const Credentials& credentials, const Scope& scope,
                      std::string_view payload_sha256) {
  std::string canonical =
      request.method + "\n" + request.path + "\n" + QueryText(request.query) + "\n";
  for (const auto& [name, value] : request.headers) canonical += name + ":" + value + "\n";
  canonical += "\n" + SignedHeaders(request.headers) + "\n" + std::string(payload_sha256);
  const std::string time = TimeText(scope.unix_seconds);
  const std::string to_sign =
      std::string(kAlgorithm) + "\n" + time + "\n" + ScopeText(scope) + "\n" + Sha256Hex(canonical);
  std::string key = HmacSha256("AWS4" + credentials.secret_key, time.substr(0, 8));
  for (const std::string_view part :
       {std::string_view(scope.region), std::string_view("s3"), std::string_view("aws4_request")}) {
    key = HmacSha256(key, part);
  }
  return Hex(HmacSha256(key, to_sign));
}

}  // namespace

std::string QueryText(const Pairs& query) {
  // Sorted by the encoded names; those that are used here sort alike before and after.
  std::string text;
  for (const auto& [name, value] : query) {
    text +=
        (text.empty() ? "" : "&") + http::PercentEncode(name) + "=" + http::PercentEncode(value);
  }
  return text;
}

void Sign(Unsigned& request, const Credentials& credentials, const Scope& scope,
          std::string_view payload_sha256) {
  request.headers["x-amz-date"] = TimeText(scope.unix_seconds);
  request.headers["x-amz-content-sha256"] = payload_sha256;
  if (!credentials.session_token.empty()) {
    request.headers["x-amz-security-token"] = credentials.session_token;
  }
  const std::string signature = Signature(request, credentials, scope, payload_sha256);
  request.headers["authorization"] =
      std::string(kAlgorithm) + " Credential=" + credentials.access_key + "/" + ScopeText(scope) +
      ",SignedHeaders=" + SignedHeaders(request.headers) + ",Signature=" + signature;
}

void Presign(Unsigned& request, const Credentials& credentials, const Scope& scope,
             std::int64_t seconds) {
  request.query["X-Amz-Algorithm"] = kAlgorithm;
  request.query["X-Amz-Credential"] = credentials.access_key + "/" + ScopeText(scope);
  request.query["X-Amz-Date"] = TimeText(scope.unix_seconds);
  request.query["X-Amz-Expires"] = std::to_string(seconds);
  request.query["X-Amz-SignedHeaders"] = SignedHeaders(request.headers);
  if (!credentials.session_token.empty()) {
    request.query["X-Amz-Security-Token"] = credentials.session_token;
  }
  request.query["X-Amz-Signature"] = Signature(request, credentials, scope, kUnsignedPayload);
}

}  // namespace muster::tracker::s3
