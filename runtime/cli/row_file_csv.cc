#include "runtime/cli/row_file.h"

#include <algorithm>
#include <fstream>

#include "runtime/base/csv.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;
using registry::RowBatch;
using registry::TensorSpec;

constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr std::size_t kRecordMax = std::size_t{64} << 20;

class CsvFile final : public RowFile {
 public:
  static Result<std::unique_ptr<RowFile>> Open(const fs::path& file,
                                               const std::vector<TensorSpec>& specs,
                                               const RowFileOptions& options) {
    std::unique_ptr<CsvFile> csv(new CsvFile(file));
    if (!csv->in_) return IoError(file.string(), errno);
    std::error_code code;
    csv->size_ = fs::file_size(file, code);
    if (code) return IoError(file.string(), code.value());
    const Status begun = csv->ReadColumns(specs, options);
    if (!begun.ok()) return begun.error().With(file.string());
    return std::unique_ptr<RowFile>(std::move(csv));
  }

  Status GoTo(const RowPosition& position) override {
    if (position.row == 0) return Ok();
    in_.clear();
    in_.seekg(static_cast<std::streamoff>(position.bytes));
    if (!in_) return IoError("seek in " + name_, errno);
    buffer_.clear();
    at_ = 0;
    next_ = position;
    return Ok();
  }

  Result<std::optional<RawBatch>> Next(std::size_t rows) override {
    std::string records;
    const RowPosition begin = next_;
    while (next_.row - begin.row < rows) {
      MUSTER_ASSIGN_OR_RETURN(const std::string_view record, Record());
      if (record.empty()) break;
      records += record;
      if (record.find_first_not_of("\r\n") != std::string_view::npos) ++next_.row;
    }
    if (next_.row == begin.row) return std::optional<RawBatch>();
    return std::optional(
        RawBatch{next_, [this, begin, records = std::move(records)]() -> Result<RowBatch> {
                   return registry::DecodeCsv(layout_, records, begin.row, begin.line);
                 }});
  }

  [[nodiscard]] bool labels() const override { return layout_.labels.has_value(); }
  [[nodiscard]] double Share(const RowPosition& position) const override {
    return static_cast<double>(position.bytes) / static_cast<double>(size_);
  }

 private:
  explicit CsvFile(const fs::path& file) : name_(file.string()), in_(file, std::ios::binary) {}

  Status ReadColumns(const std::vector<TensorSpec>& specs, const RowFileOptions& options) {
    MUSTER_RETURN_IF_ERROR(Fill());
    if (buffer_.starts_with("\xEF\xBB\xBF")) at_ = next_.bytes = 3;
    RowPosition first = next_;
    std::string_view record;
    do {
      first = next_;
      MUSTER_ASSIGN_OR_RETURN(record, Record());
      if (record.empty()) return Invalid("it is empty");
    } while (record.find_first_not_of("\r\n") == std::string_view::npos);
    std::vector<std::string_view> cells;
    std::vector<std::string> unquoted;
    const Status split = SplitCsvRecord(record, cells, unquoted);
    if (!split.ok()) return split.error().With("line " + std::to_string(first.line));
    const bool header = options.header.value_or(registry::IsHeader(cells));
    std::vector<std::string> columns;
    columns.reserve(cells.size());
    for (std::size_t i = 0; i < cells.size(); ++i) {
      columns.push_back(header ? std::string(cells[i]) : std::to_string(i));
    }
    if (!header) {
      at_ -= next_.bytes - first.bytes;
      next_ = first;
    }
    MUSTER_ASSIGN_OR_RETURN(layout_,
                            registry::LayoutOf(std::move(columns), header, specs, options.table));
    return Ok();
  }

  /// The next record with its line end, until the next call; empty at the end of the file.
  Result<std::string_view> Record() {
    std::size_t end = CsvRecordEnd(buffer_, at_);
    while (end == std::string::npos) {
      if (in_.eof()) {
        end = buffer_.size();
        break;
      }
      if (buffer_.size() - at_ > kRecordMax) {
        return Invalid(name_ + ":" + std::to_string(next_.line) +
                       ": a record of more than 64 MiB; is there a quote that is never closed?");
      }
      MUSTER_RETURN_IF_ERROR(Fill());
      end = CsvRecordEnd(buffer_, at_);
    }
    const std::string_view record = std::string_view(buffer_).substr(at_, end - at_);
    at_ = end;
    next_.bytes += record.size();
    next_.line += static_cast<std::uint64_t>(std::ranges::count(record, '\n'));
    return record;
  }

  Status Fill() {
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t have = buffer_.size();
    // As much again: a record is looked through a few times at most.
    buffer_.resize(have + std::max(kBlock, have));
    in_.read(buffer_.data() + have, static_cast<std::streamsize>(buffer_.size() - have));
    buffer_.resize(have + static_cast<std::size_t>(in_.gcount()));
    if (in_.bad()) return IoError("read " + name_, EIO);
    return Ok();
  }

  const std::string name_;
  std::ifstream in_;
  std::uint64_t size_ = 0;
  std::string buffer_;
  std::size_t at_ = 0;  ///< in buffer_: where next_ is
  RowPosition next_;
  registry::TableLayout layout_;
};

}  // namespace

Result<std::unique_ptr<RowFile>> OpenCsvRows(const fs::path& file,
                                             const std::vector<TensorSpec>& specs,
                                             const RowFileOptions& options) {
  return CsvFile::Open(file, specs, options);
}

}  // namespace muster::cli
