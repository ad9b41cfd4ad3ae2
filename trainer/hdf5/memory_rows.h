#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "trainer/hdf5/dataset_file.h"

namespace muster::trainer::hdf5 {

/// Columns in memory, each of rows * row_bytes().
class MemoryRows final : public RowSource {
 public:
  MemoryRows(std::string name, std::uint64_t rows, std::vector<Column> columns)
      : name_(std::move(name)), rows_(rows), columns_(std::move(columns)) {
    for (const Column& column : columns_) fields_.push_back(column.field);
  }
  [[nodiscard]] std::uint64_t rows() const override { return rows_; }
  [[nodiscard]] const std::vector<Field>& fields() const override { return fields_; }
  [[nodiscard]] std::string name() const override { return name_; }
  Status Read(std::size_t field, std::span<const std::uint64_t> rows,
              std::byte* out) const override {
    const std::size_t width = fields_[field].row_bytes();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::memcpy(out + i * width, columns_[field].bytes.data() + rows[i] * width, width);
    }
    return Ok();
  }

 private:
  std::string name_;
  std::uint64_t rows_;
  std::vector<Column> columns_;
  std::vector<Field> fields_;
};

}  // namespace muster::trainer::hdf5
