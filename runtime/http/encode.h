#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/wire/http.h"

namespace muster::http::internal {

/// Appends the status line and the headers with the blank line after them. `response`'s own
/// Content-Length, Connection and Date are not sent; a line break in a header becomes a space. Without a
/// `content_length` the body ends with the connection (RFC 9112, 6.3), and `keep_alive` must be false.
void AppendHead(std::string& out, const Response& response,
                std::optional<std::uint64_t> content_length, bool keep_alive,
                std::string_view date);

/// Appends the line before a chunk of `size` bytes (RFC 9112, 7.1).
void AppendChunkSize(std::string& out, std::size_t size);

/// Compresses a body of text that is longer than 4 KiB when `accept_encoding` takes gzip.
void CompressIfWanted(std::string_view accept_encoding, Response& response);

/// True when a comma-separated list with weights ("gzip, br;q=0") takes `coding`.
bool Accepts(std::string_view accept_encoding, std::string_view coding);

/// Equal but for the case of ASCII letters: header fields, codings, hosts.
bool SameName(std::string_view a, std::string_view b);

/// "Tue, 24 Nov 2026 02:07:16 GMT" (RFC 9110, 5.6.7) of seconds since 1970.
std::string HttpDate(std::int64_t unix_seconds);

}  // namespace muster::http::internal
