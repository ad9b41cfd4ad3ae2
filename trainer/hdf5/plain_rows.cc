#include "trainer/hdf5/column_reader.h"
#include "trainer/hdf5/file_bytes.h"

namespace muster::trainer::hdf5 {
namespace {

class PlainReader final : public ColumnReader {
 public:
  explicit PlainReader(PlainRows rows) : rows_(std::move(rows)) {}

  Status Read(std::span<const std::uint64_t> rows, std::byte* out) const override {
    const std::uint64_t width = rows_.row_bytes;
    for (std::size_t i = 0; i < rows.size();) {
      const std::uint64_t offset = Offset(rows[i]);
      std::size_t run = 1;
      while (i + run < rows.size() && Offset(rows[i + run]) == offset + run * width) ++run;
      MUSTER_RETURN_IF_ERROR(ReadAt(rows_.fd, out + i * width, run * width, offset, rows_.name));
      i += run;
    }
    return Ok();
  }

 private:
  [[nodiscard]] std::uint64_t Offset(std::uint64_t row) const {
    return rows_.addresses[row / rows_.piece_rows] + (row % rows_.piece_rows) * rows_.row_bytes;
  }
  PlainRows rows_;
};

}  // namespace

std::unique_ptr<ColumnReader> ReadPlainRows(PlainRows rows) {
  return std::make_unique<PlainReader>(std::move(rows));
}

}  // namespace muster::trainer::hdf5
