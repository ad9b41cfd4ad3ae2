#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// Tables of text and raw arrays to HDF5 files that trials read: what `muster data convert` does. Needs no LibTorch.

namespace muster::trainer::hdf5 {

struct Split {
  std::string role;     ///< "train"; empty: the only one, and not in the file's name
  double fraction = 0;  ///< of the rows, 0 < fraction <= 1
};

/// How rows are dealt out and written.
struct OutputOptions {
  /// Fractions add up to 1. Rows are dealt out at random by `seed`, those of every class in these proportions, and
  /// stay in their order within a file.
  std::vector<Split> splits = {{"train", 0.70}, {"validation", 0.15}, {"test", 0.15}};
  std::uint64_t seed = 0;
  int shards =
      1;  ///< files a split: <name>-<role>-0-of-4.h5, ..., with equally many rows, give or take one
  std::int64_t chunk_rows = 0;  ///< as WriteOptions; 0 with `gzip`: 64 KiB
  int gzip = 0;  ///< level 1 to 9; 0: none. With shuffle and a checksum of every chunk
};

/// A table of numbers, one row a line, comma separated, plain or gzip: the inputs of a row, then its
/// label, a whole number from 0.
struct CsvOptions {
  std::filesystem::path csv;
  std::filesystem::path out_dir;  ///< made when missing
  std::string name;               ///< files are <name>-<role>.h5
  /// Of one row's inputs; empty: (columns - 1). The product must be the columns without the label.
  std::vector<std::int64_t> row_shape;
  std::string inputs_name = "images";
  std::string labels_name = "labels";
  OutputOptions output;
  bool header = false;  ///< skip the first line
};

/// Raw arrays (array_files.h), one a column.
struct ArrayOptions {
  std::vector<std::string> columns;  ///< "images=images.npy", "tokens=a.txt,src/*.md:u8:129"
  std::filesystem::path out;  ///< "digits.h5": files are digits.h5, or digits-<role>.h5 beside it
  /// A column of whole numbers, one a row: classes, dealt out evenly. Where there is none of the name, rows are
  /// dealt out without regard to them.
  std::string labels_name = "labels";
  OutputOptions output = {.splits = {{"", 1}}};
};

struct ConvertedFile {
  std::string role;
  std::filesystem::path path;
  std::uint64_t rows = 0;
};

struct Converted {
  std::vector<ConvertedFile> files;
  std::vector<std::string> notes;  ///< what was left out, a sentence each
};

/// Writes one file a split, each with the datasets `inputs_name` (N, row_shape...) f32 and `labels_name` (N)
/// i64, by rename: a reader sees an old file or a whole new one. The same options give the same rows.
/// kNotFound for a missing table; kInvalid names line and column of a wrong number, a row of another
/// length, a fraction or shape that does not fit, a split that is there twice or gets no row (or fewer than
/// shards), and shards of an earlier cut that a pattern would mix with the new ones, before anything is written;
/// kResource for a full disk.
Result<Converted> ConvertCsv(const CsvOptions& options);

/// The same of arrays, each column with its own shape; rows are in memory a few MiB at a time. Errors are those
/// of ParseArrayColumn and OpenArrays too.
Result<Converted> ConvertArrays(const ArrayOptions& options);

}  // namespace muster::trainer::hdf5
