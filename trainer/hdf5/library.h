#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "trainer/hdf5/column_reader.h"
#include "trainer/hdf5/handle.h"
#include "trainer/row_source.h"

/// What is asked of the HDF5 C library. All but LibraryRows::Read is called with LibraryMutex() held.

namespace muster::trainer::hdf5 {

/// As it lies in memory: the library's own constant.
hid_t NativeType(ElementType type);

/// The innermost words of the library's last failure, ": file signature not found"; "" when it said nothing. The
/// library forgets them at its next call.
std::string LibraryWords();

/// Rows through H5Dread, each run of neighbours at once, under the lock.
struct LibraryRows {
  Handle dataset;
  std::string name;
  Field field;
};
std::unique_ptr<ColumnReader> ReadLibraryRows(LibraryRows rows);

/// An open file, as far as its own readers need it.
struct FileFacts {
  int fd = -1;
  std::uint64_t bytes = 0;
  bool only_library = false;
  std::shared_ptr<ChunkCache> cache;
};

/// The fastest way to read a dataset (dataset_file.h says which). `shape` has the rows first. kCorrupt when it does
/// not lie within the file; kUnsupported names a filter that nobody here knows.
Result<std::unique_ptr<ColumnReader>> ReaderOf(Handle dataset, const FileFacts& file,
                                               const Field& field,
                                               const std::vector<hsize_t>& shape,
                                               const std::string& name);

/// Why the library would not open the file: no signature, cut short, or `words`.
Error WhyNotOpened(int fd, std::uint64_t bytes, const std::string& name, const std::string& words);

}  // namespace muster::trainer::hdf5
