#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "registry/batch/table.h"
#include "runtime/cli/context.h"

/// What `muster predict` reads: rows of a table or of an HDF5 file, a batch at a time.

namespace muster::cli {

struct RowFileOptions {
  registry::TableOptions table;
  std::optional<bool>
      header;  ///< the table's first record names its columns; nothing: as IsHeader says
};

/// Where the next row begins.
struct RowPosition {
  std::uint64_t row = 0, bytes = 0, line = 1;  ///< bytes and line of tables alone
};

struct RawBatch {
  RowPosition end;
  /// Any thread, as long as the file lives.
  std::function<Result<registry::RowBatch>()> decode;
};

/// One thread.
class RowFile {
 public:
  virtual ~RowFile() = default;
  /// Once, before the first Next.
  virtual Status GoTo(const RowPosition& position) = 0;
  /// Up to `rows` rows; nothing at the end. kInvalid for a record beyond 64 MiB; kIo.
  virtual Result<std::optional<RawBatch>> Next(std::size_t rows) = 0;
  [[nodiscard]] virtual bool labels() const = 0;
  /// Of the file that lies before `position`, 0 to 1.
  [[nodiscard]] virtual double Share(const RowPosition& position) const = 0;
};

/// `specs` must outlive the file. kNotFound, kIo; kInvalid when the columns or fields are not what the model wants,
/// with both.
Result<std::unique_ptr<RowFile>> OpenCsvRows(const std::filesystem::path& file,
                                             const std::vector<registry::TensorSpec>& specs,
                                             const RowFileOptions& options);
/// The datasets are the inputs by name; the only input may also be the one that options.inputs names, without it
/// "images", or the only one but the labels'.
Result<std::unique_ptr<RowFile>> OpenHdf5Rows(const Context& context,
                                              const std::filesystem::path& file,
                                              const std::vector<registry::TensorSpec>& specs,
                                              const registry::TableOptions& options);

}  // namespace muster::cli
