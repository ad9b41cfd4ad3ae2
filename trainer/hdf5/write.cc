#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "runtime/base/file.h"
#include "trainer/hdf5/dataset_file.h"
#include "trainer/hdf5/handle.h"

namespace muster::trainer::hdf5 {
namespace {

hid_t FileType(ElementType type) {
  switch (type) {
    case ElementType::kU8:
      return H5T_STD_U8LE;
    case ElementType::kI32:
      return H5T_STD_I32LE;
    case ElementType::kI64:
      return H5T_STD_I64LE;
    case ElementType::kF32:
      return H5T_IEEE_F32LE;
    case ElementType::kF64:
      return H5T_IEEE_F64LE;
  }
  return -1;
}

bool WriteColumn(hid_t file, std::uint64_t rows, const Column& column,
                 const WriteOptions& options) {
  std::vector<hsize_t> shape{rows};
  shape.insert(shape.end(), column.field.row_shape.begin(), column.field.row_shape.end());
  const Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                     H5Sclose);
  const Handle list(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  if (options.chunk_rows > 0 && rows > 0) {
    std::vector<hsize_t> chunk = shape;
    chunk[0] = std::min<hsize_t>(rows, static_cast<hsize_t>(options.chunk_rows));
    if (options.chunk_columns > 0 && chunk.size() > 1) {
      chunk.back() = static_cast<hsize_t>(options.chunk_columns);
    }
    H5Pset_chunk(list.id(), static_cast<int>(chunk.size()), chunk.data());
    if (options.deflate > 0) H5Pset_deflate(list.id(), static_cast<unsigned>(options.deflate));
  } else {
    // Else the library would reserve no bytes for what has no rows yet, and the file no address.
    H5Pset_alloc_time(list.id(), H5D_ALLOC_TIME_EARLY);
  }
  const hid_t type = FileType(column.field.type);
  const Handle dataset(H5Dcreate2(file, column.field.name.c_str(), type, space.id(), H5P_DEFAULT,
                                  list.id(), H5P_DEFAULT),
                       H5Dclose);
  return dataset.ok() && (rows == 0 || H5Dwrite(dataset.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                                column.bytes.data()) >= 0);
}

/// kResource when the folder's disk is full; the library does not say why it failed.
Error WriteFailure(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto space = std::filesystem::space(path.parent_path(), ignored);
  if (!ignored && space.available < (1U << 20)) {
    return ResourceExhausted("writing " + path.string() + ": the disk is full");
  }
  return Error{ErrorKind::kIo, "writing " + path.string() + " failed in the HDF5 library"};
}

Status Publish(const std::filesystem::path& temporary, const std::filesystem::path& path) {
  MUSTER_RETURN_IF_ERROR(SyncToDisk(temporary));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return IoError("renaming " + temporary.string() + " to " + path.string(), errno);
  }
  return Ok();
}

}  // namespace

Status WriteDatasetFile(const std::filesystem::path& path, std::uint64_t rows,
                        const std::vector<Column>& columns, WriteOptions options) {
  for (const Column& column : columns) {
    const std::size_t wanted = rows * column.field.row_bytes();
    if (column.bytes.size() != wanted) {
      return Invalid("column " + column.field.Text() + " has " +
                     std::to_string(column.bytes.size()) + " bytes; " + std::to_string(rows) +
                     " rows want " + std::to_string(wanted));
    }
  }
  const std::filesystem::path temporary = path.string() + ".tmp";
  bool written = false;
  {
    const std::lock_guard lock(LibraryMutex());
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    const Handle access = UnlockedAccess();
    const Handle file(H5Fcreate(temporary.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()),
                      H5Fclose);
    written = file.ok() && std::ranges::all_of(columns, [&](const Column& column) {
                return WriteColumn(file.id(), rows, column, options);
              });
    written = written && H5Fflush(file.id(), H5F_SCOPE_GLOBAL) >= 0;
  }
  const Status status = written ? Publish(temporary, path) : Status(WriteFailure(path));
  if (!status.ok()) ::unlink(temporary.c_str());
  return status;
}

}  // namespace muster::trainer::hdf5
