#include "runtime/wire/http.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/system/error_code.hpp>
#include <utility>

#include "runtime/base/utf8.h"

namespace muster::http {

namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view AsView(const boost::json::string& text) { return {text.data(), text.size()}; }

ErrorKind KindOfStatus(int status) {
  switch (status) {
    case 400:
    case 405:
    case 413:
    case 422:
      return ErrorKind::kInvalid;
    case 401:
    case 403:
      return ErrorKind::kUnauthorized;
    case 404:
      return ErrorKind::kNotFound;
    case 409:
      return ErrorKind::kConflict;
    case 501:
      return ErrorKind::kUnsupported;
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return ErrorKind::kUnavailable;
    case 507:
      return ErrorKind::kResource;
    default:
      return ErrorKind::kInternal;
  }
}

/// MLflow's error codes that stand for a kind other than their status does.
ErrorKind KindOfMlflowCode(std::string_view code, int status) {
  if (code == "RESOURCE_ALREADY_EXISTS") return ErrorKind::kAlreadyExists;
  if (code == "RESOURCE_CONFLICT" || code == "INVALID_STATE") return ErrorKind::kConflict;
  return KindOfStatus(status);
}

}  // namespace

bool NoCaseLess::operator()(std::string_view a, std::string_view b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [](char x, char y) { return Lower(x) < Lower(y); });
}

std::string_view Request::Header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : found->second;
}

std::optional<std::string> Request::Parameter(std::string_view name) const {
  const auto found = query.find(name);
  if (found == query.end() || found->second.empty()) return std::nullopt;
  return found->second.front();
}

std::string_view Request::BearerToken() const {
  constexpr std::string_view kScheme = "bearer ";
  std::string_view value = Header("Authorization");
  if (value.size() < kScheme.size() ||
      !std::equal(kScheme.begin(), kScheme.end(), value.begin(),
                  [](char wanted, char seen) { return wanted == Lower(seen); })) {
    return {};
  }
  value.remove_prefix(kScheme.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return value;
}

Response Response::Json(const boost::json::value& value, int status) {
  Response response;
  response.status = status;
  response.headers.emplace("Content-Type", "application/json");
  response.body = boost::json::serialize(value);
  return response;
}

Response Response::Text(std::string text, int status, std::string_view content_type) {
  Response response;
  response.status = status;
  response.headers.emplace("Content-Type", content_type);
  response.body = std::move(text);
  return response;
}

Handler Sync(std::function<Response(const Request&)> function) {
  return [function = std::move(function)](const Request& request, const Respond& respond) {
    respond(function(request));
  };
}

int HttpStatus(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
      return 400;
    case ErrorKind::kUnauthorized:
      return 401;
    case ErrorKind::kFenced:
      return 403;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kConflict:
      return 409;
    case ErrorKind::kUnsupported:
      return 501;
    case ErrorKind::kUnavailable:
      return 503;
    case ErrorKind::kResource:
      return 507;
    case ErrorKind::kCorrupt:
    case ErrorKind::kIo:
    case ErrorKind::kInternal:
      return 500;
  }
  return 500;
}

Response ErrorResponse(const Error& error) {
  boost::json::object inner;
  inner["code"] = boost::json::string_view(ErrorKindName(error.kind));
  inner["message"] = ToUtf8(error.message);
  boost::json::object outer;
  outer["error"] = std::move(inner);
  return Response::Json(outer, HttpStatus(error.kind));
}

Error ErrorFromResponse(const Response& response) {
  const ErrorKind by_status = KindOfStatus(response.status);
  boost::system::error_code failed;
  const boost::json::value body = boost::json::parse(response.body, failed);
  const auto* object = failed ? nullptr : body.if_object();
  const auto text = [](const boost::json::object& in, std::string_view key) {
    const auto* value = in.if_contains(key);
    const auto* string = value == nullptr ? nullptr : value->if_string();
    return string == nullptr ? std::string_view() : AsView(*string);
  };
  if (object != nullptr) {
    const auto* inner = object->if_contains("error");
    if (inner != nullptr && inner->is_object()) {
      const auto code = text(inner->get_object(), "code");
      return {code.empty() ? by_status : ErrorKindFromName(code),
              std::string(text(inner->get_object(), "message"))};
    }
    if (inner != nullptr && inner->is_string()) {
      return {by_status, std::string(text(*object, "error"))};
    }
    if (const auto code = text(*object, "error_code"); !code.empty()) {
      return {KindOfMlflowCode(code, response.status), std::string(text(*object, "message"))};
    }
  }
  constexpr std::size_t kExcerpt = 200;
  return {by_status, "HTTP status " + std::to_string(response.status) +
                         (response.body.empty() ? "" : ": " + response.body.substr(0, kExcerpt))};
}

std::string PercentDecode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else if (plus_is_space && text[i] == '+') {
      decoded += ' ';
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::string PercentEncode(std::string_view text, bool keep_slashes) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved || (c == '/' && keep_slashes)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kHex[byte / 16];
      encoded += kHex[byte % 16];
    }
  }
  return encoded;
}

Query ParseQuery(std::string_view query) {
  Query parsed;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view value = equals == pair.size() ? "" : pair.substr(equals + 1);
    parsed[ToUtf8(PercentDecode(pair.substr(0, equals), true))].push_back(
        ToUtf8(PercentDecode(value, true)));
  }
  return parsed;
}

void SetTarget(Request& request, std::string_view target) {
  if (!target.starts_with('/')) {  // RFC 9112, 3.2.2: the absolute form, as proxies send it
    const std::size_t scheme = target.find("://");
    if (scheme != std::string_view::npos) {
      const std::size_t slash = target.find_first_of("/?", scheme + 3);
      target.remove_prefix(std::min(slash, target.size()));
    }
  }
  const std::size_t mark = std::min(target.find('?'), target.size());
  request.raw_path = target.substr(0, mark);
  if (request.raw_path.empty()) request.raw_path = "/";
  request.path = ToUtf8(PercentDecode(request.raw_path));
  request.query = mark == target.size() ? Query() : ParseQuery(target.substr(mark + 1));
}

}  // namespace muster::http
