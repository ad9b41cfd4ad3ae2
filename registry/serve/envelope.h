#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "registry/serve/content_coding.h"
#include "runtime/base/clock.h"
#include "runtime/wire/http.h"

namespace muster::registry::serve {

/// What goes around an answer whatever the protocol: the request's id, W3C's trace context, the content coding.
struct Envelope {
  std::string request_id;               ///< X-Request-Id, or one of ours
  std::string traceparent, tracestate;  ///< as they came; empty: not sent
  Coding coding = Coding::kNone;        ///< that the client accepts
  std::size_t bytes_in = 0;
  MonotonicTime start;
};

/// `fresh_id` is of the request when it has none, or one with other than 1 to 128 printable ASCII characters. Traces that
/// are too long or not printable are dropped: they go into headers and logs.
Envelope EnvelopeOf(const http::Request& request, MonotonicTime start, std::uint64_t fresh_id);

/// Adds id and trace to the headers, and packs a body of more than 1 KiB that has no coding yet.
void Seal(const Envelope& envelope, http::Response& response);

}  // namespace muster::registry::serve
