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

/// For texts that come in pieces: behind the line end of the record that begins at `from`; npos while that is not in
/// `text`. A quote that is not a cell's first character is not looked at: SplitCsvRecord finds it.
std::size_t CsvRecordEnd(std::string_view text, std::size_t from);
/// The cells of one record, its line end left out, as pieces of `record` or of `unquoted`, which keeps what had quotes.
/// kInvalid as of ParseCsv, without the line.
Status SplitCsvRecord(std::string_view record, std::vector<std::string_view>& cells,
                      std::vector<std::string>& unquoted);

/// Appends a cell, in quotes where a reader needs them; an empty text becomes "".
void AppendCsv(std::string& csv, std::string_view cell);

}  // namespace muster
