#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// Bodies in HTTP's content codings "gzip" (RFC 1952) and "deflate" (which is zlib's form, RFC 1950), as Triton takes
/// them: a request in one of the two, an answer in one that the client accepts. Pure.

namespace muster::registry::serve {

enum class Coding { kNone, kDeflate, kGzip };

/// The first of an Accept-Encoding that is ours; Triton does not weigh them either, but a weight of 0 refuses (RFC 9110,
/// 12.5.3).
Coding CodingFor(std::string_view accept_encoding);
/// "gzip", "deflate"; empty for none.
std::string_view CodingName(Coding coding);

/// The body of a request with this Content-Encoding. kUnsupported for another coding, kInvalid for a body that is not in
/// it, goes on after its end, or has more than `most` bytes unpacked.
Result<std::string> Unpack(std::string_view packed, std::string_view content_encoding,
                           std::size_t most);
/// Never empty; kNone gives the text back. kResource when zlib has no memory.
Result<std::string> Pack(std::string_view text, Coding coding);

}  // namespace muster::registry::serve
