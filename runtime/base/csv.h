#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Comma-separated values as RFC 4180 has them. Pure.

namespace muster {

struct CsvCell {
  std::string text{};   ///< without its quotes
  bool quoted = false;  ///< tells an empty text from an absent value
};

struct CsvRecord {
  std::size_t line = 1;  ///< where it begins in the text, from 1: quoted cells may hold line ends
  std::vector<CsvCell> cells{};
};

/// The records of a text, header included; lines end in CR LF or LF, empty ones and a byte order mark are left
/// out. kInvalid with "LINE: ..." for a quote that is not closed, a quote inside an unquoted cell, something
/// between a closing quote and the next comma, and a record with another number of cells than the first.
Result<std::vector<CsvRecord>> ParseCsv(std::string_view text);

/// Appends a cell, in quotes where a reader needs them; an empty text becomes "".
void AppendCsv(std::string& csv, std::string_view cell);

}  // namespace muster
