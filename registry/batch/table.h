#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/inference_engine.h"

/// Tables of numbers as a model's inputs: which columns are which elements, and rows of CSV text as tensors.

namespace muster::registry {

struct TableOptions {
  std::vector<std::string>
      inputs;                     ///< columns of the only input's elements, in order; empty: found
  std::vector<std::string> keep;  ///< columns that go to the output as they are
  std::string labels = "labels";  ///< the column of the true classes, where there is one
};

struct TableLayout {
  struct Input {
    std::string name;
    ElementType type = ElementType::kF32;
    std::vector<std::int64_t> row_shape;
    std::vector<std::size_t> cells;  ///< of each element, row-major
  };
  std::vector<std::string> columns;
  std::vector<Input> inputs;  ///< in the model's order
  std::vector<std::size_t> keep;
  std::optional<std::size_t> labels;
};

/// True when no cell is a number: such a first record names the columns.
bool IsHeader(const std::vector<std::string_view>& cells);

/// Where the model's inputs (`specs`; dimension 0 the rows) stand in a table, the first of these that applies:
///
///   options.inputs                       the only input's elements
///   columns "x[0]", "x[1]", ...          elements of input x, row-major; "x" alone where a row has one element
///   all columns but labels and kept      the only input's elements, in the table's order
///
/// A dimension that the model leaves open becomes what the columns fill. `columns` of a table without a header are
/// "0", "1", ...: there, one column more than elements is the labels', the last one, as `muster data convert` has it.
/// kInvalid names the columns that are missing or twice there and what is wanted.
Result<TableLayout> LayoutOf(std::vector<std::string> columns, bool header,
                             const std::vector<TensorSpec>& specs, const TableOptions& options);

struct BadRow {
  std::uint64_t line = 0;  ///< where it begins, from 1
  std::string why;         ///< "column 3 (x[2]) is 'abc'; wanted a number for FP32"
  std::string record;      ///< as it was, without its line end
};

/// Rows on their way through a model.
struct RowBatch {
  std::vector<Tensor> inputs;          ///< (rows, ...), in the model's order
  std::vector<std::uint64_t> numbers;  ///< of each row in the file, from 0; wrong rows count too
  std::vector<std::string> keep;       ///< a row's kept cells one after another
  std::vector<std::int64_t> labels;    ///< of each row; empty without labels
  std::vector<BadRow> bad;             ///< not among the others

  [[nodiscard]] std::size_t rows() const { return numbers.size(); }
};

/// Whole records of a table as tensors; `first_row` and `first_line` are those of the first one. Blank lines are no
/// rows. A record that is wrong becomes one of `bad`.
RowBatch DecodeCsv(const TableLayout& layout, std::string_view records, std::uint64_t first_row,
                   std::uint64_t first_line);

}  // namespace muster::registry
