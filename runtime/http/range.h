#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Which part of a file an answer carries: Range, If-Range and If-None-Match of RFC 9110 (13 and 14). Pure.

namespace muster::http::internal {

/// The headers of a GET or HEAD that decide it, empty when absent.
struct Conditions {
  std::string range, if_range, if_none_match;
};

struct Part {
  int status =
      200;  ///< 200 all of it, 206 a part, 304 the client has it, 416 there is no such part
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// `etag` as in the answer's header, quotes included; may be empty. A Range that is malformed, of another
/// unit or of several parts is ignored, as 14.2 allows: all of the file is the answer.
Part SelectPart(const Conditions& asked, std::string_view etag, std::uint64_t size);

/// The Content-Range of a 206 or a 416: "bytes 0-9/100", "bytes */100".
std::string ContentRange(const Part& part, std::uint64_t size);

}  // namespace muster::http::internal
