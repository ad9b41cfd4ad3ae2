#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "trainer/row_source.h"

/// Whether data is what a trial wants of it, asked before its first step.

namespace muster::trainer {

/// A column that a trial reads.
struct ColumnSpec {
  std::string name;                     ///< "labels"
  std::vector<std::int64_t> row_shape;  ///< without the rows; -1: any size; empty: one number a row
  bool any_shape = false;               ///< whatever row_shape says
  std::vector<ElementType> types;       ///< those allowed; empty: any
  /// The least and the greatest value allowed: classes 0 to 9 are {.low = 0, .high = 9}. NaN and infinities are
  /// always refused.
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

struct ColumnChecked {
  std::string name;
  std::uint64_t rows_checked = 0;  ///< all, or a sample
};

inline constexpr std::uint64_t kCheckedBytes = std::uint64_t{64} << 20;

/// Reads a column of up to `bytes_max` bytes whole, of a larger one a sample of so many: blocks of rows, evenly
/// spread, the first and the last row among them; the same rows whenever it is called. Integer columns that any
/// value is allowed in are not read. 64 MiB take about 30 ms from memory.
/// kNotFound: no such column. kInvalid names source, column, and: shape or type seen and wanted; or the first row
/// that was found wrong, its value and what was wanted (class ids: "0 to 9"). What Read refuses.
Result<std::vector<ColumnChecked>> CheckColumns(const RowSource& source,
                                                std::span<const ColumnSpec> columns,
                                                std::uint64_t bytes_max = kCheckedBytes);

}  // namespace muster::trainer
