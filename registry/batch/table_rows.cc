#include <algorithm>
#include <utility>

#include "registry/batch/number.h"
#include "registry/batch/table.h"
#include "runtime/base/csv.h"

namespace muster::registry {
namespace {

class CsvDecoder {
 public:
  explicit CsvDecoder(const TableLayout& layout) : layout_(layout) {
    for (const auto& input : layout.inputs) {
      std::vector<std::int64_t> shape = input.row_shape;
      shape.insert(shape.begin(), 0);
      batch_.inputs.push_back({input.name, input.type, std::move(shape), {}});
    }
  }

  void Add(std::string_view record, std::uint64_t row, std::uint64_t line) {
    const Status added = Append(record);
    if (added.ok()) {
      batch_.numbers.push_back(row);
      return;
    }
    while (record.ends_with('\n') || record.ends_with('\r')) record.remove_suffix(1);
    batch_.bad.push_back({line, added.error().message, std::string(record)});
  }

  RowBatch Take() {
    for (Tensor& input : batch_.inputs) input.shape[0] = std::ssize(batch_.numbers);
    return std::move(batch_);
  }

 private:
  /// Leaves the tensors as they were when the record is wrong.
  Status Append(std::string_view record) {
    MUSTER_RETURN_IF_ERROR(SplitCsvRecord(record, cells_, unquoted_));
    if (cells_.size() != layout_.columns.size()) {
      return Invalid("has " + std::to_string(cells_.size()) + " columns; wanted " +
                     std::to_string(layout_.columns.size()));
    }
    std::int64_t label = 0;
    Status status = layout_.labels ? Parse(*layout_.labels, ElementType::kI64,
                                           reinterpret_cast<std::byte*>(&label))
                                   : Ok();
    const std::size_t rows = batch_.numbers.size();
    for (std::size_t i = 0; i < layout_.inputs.size() && status.ok(); ++i) {
      const TableLayout::Input& input = layout_.inputs[i];
      const std::size_t size = ElementSize(input.type);
      auto& bytes = batch_.inputs[i].bytes;
      bytes.resize((rows + 1) * input.cells.size() * size);
      std::byte* out = bytes.data() + rows * input.cells.size() * size;
      for (std::size_t k = 0; k < input.cells.size() && status.ok(); ++k, out += size) {
        status = Parse(input.cells[k], input.type, out);
      }
    }
    if (!status.ok()) {
      for (std::size_t i = 0; i < layout_.inputs.size(); ++i) {
        const TableLayout::Input& input = layout_.inputs[i];
        batch_.inputs[i].bytes.resize(rows * input.cells.size() * ElementSize(input.type));
      }
      return status;
    }
    if (layout_.labels) batch_.labels.push_back(label);
    for (const std::size_t cell : layout_.keep) batch_.keep.emplace_back(cells_[cell]);
    return Ok();
  }

  Status Parse(std::size_t cell, ElementType type, std::byte* out) {
    Status parsed = ParseElement(cells_[cell], type, out);
    if (parsed.ok()) return parsed;
    const std::string number = std::to_string(cell + 1);
    return Invalid("column " + number + " (" + layout_.columns[cell] + ") " +
                   parsed.error().message);
  }

  const TableLayout& layout_;
  RowBatch batch_;
  std::vector<std::string_view> cells_;
  std::vector<std::string> unquoted_;
};

}  // namespace

RowBatch DecodeCsv(const TableLayout& layout, std::string_view records, std::uint64_t first_row,
                   std::uint64_t first_line) {
  CsvDecoder decoder(layout);
  for (std::size_t at = 0; at < records.size();) {
    const std::size_t end = std::min(CsvRecordEnd(records, at), records.size());
    const std::string_view record = records.substr(at, end - at);
    if (record.find_first_not_of("\r\n") != std::string_view::npos) {
      decoder.Add(record, first_row++, first_line);
    }
    first_line += static_cast<std::uint64_t>(std::ranges::count(record, '\n'));
    at = end;
  }
  return decoder.Take();
}

}  // namespace muster::registry
