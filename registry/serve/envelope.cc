#include "registry/serve/envelope.h"

#include <algorithm>
#include <utility>

namespace muster::registry::serve {

namespace {

constexpr std::size_t kLongestId = 128;
constexpr std::size_t kLongestTrace = 512;  // W3C Trace Context, 3.3.1.5
constexpr std::size_t kPackAbove = 1024;

std::string Printable(std::string_view text, std::size_t longest) {
  const bool good = text.size() <= longest && std::all_of(text.begin(), text.end(), [](char c) {
                      return c >= ' ' && c <= '~';
                    });
  return good ? std::string(text) : std::string();
}

/// Fifteen digits: as many as a string holds without the heap.
std::string IdText(std::uint64_t id) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text(15, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, id /= 16) *digit = kHex[id % 16];
  return text;
}

}  // namespace

Envelope EnvelopeOf(const http::Request& request, MonotonicTime start, std::uint64_t fresh_id) {
  Envelope envelope{.request_id = Printable(request.Header("X-Request-Id"), kLongestId),
                    .traceparent = Printable(request.Header("traceparent"), kLongestTrace),
                    .tracestate = Printable(request.Header("tracestate"), kLongestTrace),
                    .coding = CodingFor(request.Header("Accept-Encoding")),
                    .bytes_in = request.body.size(),
                    .start = start};
  if (envelope.request_id.empty()) envelope.request_id = IdText(fresh_id);
  return envelope;
}

void Seal(const Envelope& envelope, http::Response& response) {
  response.headers.emplace("X-Request-Id", envelope.request_id);
  if (!envelope.traceparent.empty()) response.headers.emplace("traceparent", envelope.traceparent);
  if (!envelope.tracestate.empty()) response.headers.emplace("tracestate", envelope.tracestate);
  if (response.body.size() <= kPackAbove) return;
  response.headers.emplace("Vary", "Accept-Encoding");
  if (envelope.coding == Coding::kNone || response.headers.contains("Content-Encoding")) return;
  auto packed = Pack(response.body, envelope.coding);
  if (!packed.ok()) return;  // as it is, then
  response.body = std::move(*packed);
  response.headers.emplace("Content-Encoding", CodingName(envelope.coding));
}

}  // namespace muster::registry::serve
