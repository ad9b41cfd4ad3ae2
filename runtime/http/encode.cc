#include "runtime/http/encode.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <ctime>
#include <utility>

namespace muster::http::internal {

namespace {

constexpr std::size_t kCompressAbove = 4096;
// Level 1: half of what the default level saves beyond it is not worth three times the time.
constexpr int kLevel = 1;

void AppendNumber(std::string& out, std::uint64_t number) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void AppendOneLine(std::string& out, std::string_view text) {
  const std::size_t before = out.size();
  out += text;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(before), out.end(),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
}

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool IsText(std::string_view content_type) {
  return content_type.starts_with("application/json") || content_type.starts_with("text/") ||
         content_type.starts_with("application/javascript") ||
         content_type.starts_with("image/svg");
}

/// Empty when zlib fails, which it does for lack of memory only.
std::string Gzip(const std::string& text) {
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;  // zlib's manual: 16 more asks for a gzip wrapper
  if (deflateInit2(&stream, kLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int done = deflate(&stream, Z_FINISH);
  packed.resize(done == Z_STREAM_END ? stream.total_out : 0);
  deflateEnd(&stream);
  return packed;
}

}  // namespace

bool SameName(std::string_view a, std::string_view b) {
  const NoCaseLess less;
  return !less(a, b) && !less(b, a);
}

void AppendHead(std::string& out, const Response& response,
                std::optional<std::uint64_t> content_length, bool keep_alive,
                std::string_view date) {
  out += "HTTP/1.1 ";
  AppendNumber(out, static_cast<std::uint64_t>(response.status));
  out += ' ';
  const auto reason = boost::beast::http::obsolete_reason(
      boost::beast::http::int_to_status(static_cast<unsigned>(response.status)));
  out.append(reason.data(), reason.size());
  out += "\r\nDate: ";
  out += date;
  for (const auto& [name, value] : response.headers) {
    if (SameName(name, "Content-Length") || SameName(name, "Connection") ||
        SameName(name, "Date")) {
      continue;
    }
    out += "\r\n";
    AppendOneLine(out, name);
    out += ": ";
    AppendOneLine(out, value);
  }
  const bool has_length = response.status != 204 && response.status != 304;  // RFC 9110, 8.6
  if (has_length && content_length) {
    out += "\r\nContent-Length: ";
    AppendNumber(out, *content_length);
  }
  if (!keep_alive) out += "\r\nConnection: close";
  out += "\r\n\r\n";
}

void AppendChunkSize(std::string& out, std::size_t size) {
  std::array<char, 24> text{};
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), size, 16).ptr);
  out += "\r\n";
}

void CompressIfWanted(std::string_view accept_encoding, Response& response) {
  constexpr std::size_t kMost = 1U << 30;  // zlib counts a call's bytes in 32 bits
  if (response.body.size() <= kCompressAbove || response.body.size() > kMost) return;
  const auto type = response.headers.find("Content-Type");
  if (type == response.headers.end() || !IsText(type->second)) return;
  if (response.headers.contains("Content-Encoding")) return;
  response.headers.emplace("Vary", "Accept-Encoding");
  if (!Accepts(accept_encoding, "gzip")) return;
  std::string packed = Gzip(response.body);
  if (packed.empty()) return;
  response.body = std::move(packed);
  response.headers["Content-Encoding"] = "gzip";
}

bool Accepts(std::string_view accept_encoding, std::string_view coding) {
  while (!accept_encoding.empty()) {
    const std::size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view entry = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const std::size_t semicolon = std::min(entry.find(';'), entry.size());
    if (!SameName(Trim(entry.substr(0, semicolon)), coding)) continue;
    const std::string_view weight = Trim(entry.substr(std::min(semicolon + 1, entry.size())));
    // A weight of zero is a refusal, however many digits it has.
    return !(weight.starts_with("q=0") && weight.find_first_of("123456789") == weight.npos);
  }
  return false;
}

std::string HttpDate(std::int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 40> text{};
  // The program never sets a locale, so names of days and months are the English ones.
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
}

}  // namespace muster::http::internal
