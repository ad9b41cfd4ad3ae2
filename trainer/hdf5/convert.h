#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// Tables of text to HDF5 files that trials read: what `muster data convert` does. Needs no LibTorch.

namespace muster::trainer::hdf5 {

struct Split {
  std::string role;     ///< "train"
  double fraction = 0;  ///< of the rows, 0 < fraction <= 1
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
  /// Fractions add up to 1. Every label is spread over the splits in these proportions.
  std::vector<Split> splits = {{"train", 0.70}, {"validation", 0.15}, {"test", 0.15}};
  std::uint64_t seed = 0;
  bool header = false;  ///< skip the first line
};

struct ConvertedFile {
  std::string role;
  std::filesystem::path path;
  std::uint64_t rows = 0;
};

/// Writes one file a split, each with the datasets `inputs_name` (N, row_shape...) f32 and `labels_name` (N)
/// i64, by rename: a reader sees an old file or a whole new one. The same options give the same rows.
/// kNotFound for a missing table; kInvalid names line and column of a wrong number, a row of another
/// length, a fraction or shape that does not fit, a split that is there twice or gets no row, before anything
/// is written; kResource for a full disk.
Result<std::vector<ConvertedFile>> ConvertCsv(const CsvOptions& options);

}  // namespace muster::trainer::hdf5
