#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/row_source.h"

/// Raw arrays as row sources: what `muster data convert` reads. NumPy's .npy files (format 1.0 to 3.0: NEP 1,
/// numpy.lib.format; C order, little-endian) and files of plain numbers, or of any bytes.

namespace muster::trainer::hdf5 {

/// One column and the files whose rows it holds, one after the other.
struct ArrayColumn {
  std::string name;
  std::vector<std::filesystem::path> files;
  std::string type;                     ///< empty: .npy files, which say it
  std::vector<std::int64_t> row_shape;  ///< of plain files
};

/// "NAME=FILES" of .npy files, "NAME=FILES:TYPE[:SHAPE]" of plain ones: "tokens=README.md,src/*.md:u8:129",
/// "images=a.bin:f32:1,8,8". FILES as for ListFiles; TYPE u8, i8, i16, u16, i32, u32, i64, f16, f32 or f64;
/// without SHAPE a row is one number. kInvalid says what the text lacks; as ListFiles.
Result<ArrayColumn> ParseArrayColumn(std::string_view text);

/// Opens the files of all columns, which must have equally many rows. Types that a dataset does not have are widened: i8, i16
/// and u16 to i32, u32 to i64, f16 to f32. Plain files are one string of bytes, cut into rows across their borders;
/// a rest that is no whole row is left out, and said in `notes`. kInvalid and kCorrupt name file, offset and
/// what was wanted; kUnsupported a type or order of a .npy file.
Result<std::unique_ptr<RowSource>> OpenArrays(const std::vector<ArrayColumn>& columns,
                                              std::vector<std::string>& notes);

}  // namespace muster::trainer::hdf5
