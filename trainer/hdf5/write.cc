#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <numeric>

#include "runtime/base/file.h"
#include "trainer/hdf5/dataset_file.h"
#include "trainer/hdf5/handle.h"
#include "trainer/hdf5/memory_rows.h"

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

/// 0: contiguous.
std::uint64_t ChunkRows(const Field& field, const WriteOptions& options) {
  constexpr std::uint64_t kBytes = 65536;
  if (options.chunk_rows >= 0) return static_cast<std::uint64_t>(options.chunk_rows);
  return std::max<std::uint64_t>(1, kBytes / std::max<std::uint64_t>(1, field.row_bytes()));
}

Handle CreationList(const Field& field, const std::vector<hsize_t>& shape,
                    const WriteOptions& options) {
  Handle list(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const std::uint64_t chunk_rows = ChunkRows(field, options);
  if (chunk_rows == 0 || shape[0] == 0) {
    // Else the library would reserve no bytes for what has no rows yet, and the file no address.
    H5Pset_alloc_time(list.id(), H5D_ALLOC_TIME_EARLY);
    return list;
  }
  std::vector<hsize_t> chunk = shape;
  chunk[0] = std::min<hsize_t>(shape[0], chunk_rows);
  if (options.chunk_columns > 0 && chunk.size() > 1) {
    chunk.back() = static_cast<hsize_t>(options.chunk_columns);
  }
  if (options.chunk_middle > 0) {
    for (std::size_t d = 1; d + 1 < chunk.size(); ++d) {
      chunk[d] = std::min(chunk[d], static_cast<hsize_t>(options.chunk_middle));
    }
  }
  H5Pset_chunk(list.id(), static_cast<int>(chunk.size()), chunk.data());
  H5Pset_fill_time(list.id(), H5D_FILL_TIME_NEVER);  // every row is written
  if (options.shuffle) H5Pset_shuffle(list.id());
  if (options.deflate > 0) H5Pset_deflate(list.id(), static_cast<unsigned>(options.deflate));
  if (options.checksum) H5Pset_fletcher32(list.id());
  return list;
}

/// Rows of one write: whole chunks, so that none is compressed twice.
std::uint64_t BlockRows(const Field& field, const WriteOptions& options) {
  constexpr std::uint64_t kBlockBytes = std::uint64_t{4} << 20;
  const std::uint64_t rows =
      std::max<std::uint64_t>(1, kBlockBytes / std::max<std::uint64_t>(1, field.row_bytes()));
  const std::uint64_t chunk = std::max<std::uint64_t>(1, ChunkRows(field, options));
  return std::max<std::uint64_t>(1, rows / chunk) * chunk;
}

/// kIo without words: the library failed.
Status WriteColumn(hid_t file, const RowSource& source, std::size_t field,
                   std::span<const std::uint64_t> rows, const WriteOptions& options) {
  const Field& column = source.fields()[field];
  const Error failed{ErrorKind::kIo, ""};
  std::vector<hsize_t> shape{rows.size()};
  shape.insert(shape.end(), column.row_shape.begin(), column.row_shape.end());
  const Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                     H5Sclose);
  const Handle list = CreationList(column, shape, options);
  const hid_t type = FileType(column.type);
  const Handle dataset(
      H5Dcreate2(file, column.name.c_str(), type, space.id(), H5P_DEFAULT, list.id(), H5P_DEFAULT),
      H5Dclose);
  if (!dataset.ok()) return failed;
  const std::uint64_t block = std::min<std::uint64_t>(BlockRows(column, options), rows.size());
  std::vector<std::byte> bytes(block * column.row_bytes());
  std::vector<hsize_t> start(shape.size(), 0);
  for (std::uint64_t begin = 0; begin < rows.size(); begin += block) {
    shape[0] = std::min<std::uint64_t>(block, rows.size() - begin);
    start[0] = begin;
    MUSTER_RETURN_IF_ERROR(source.Read(field, rows.subspan(begin, shape[0]), bytes.data()));
    const Handle memory(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                        H5Sclose);
    if (H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, shape.data(),
                            nullptr) < 0 ||
        H5Dwrite(dataset.id(), type, memory.id(), space.id(), H5P_DEFAULT, bytes.data()) < 0) {
      return failed;
    }
  }
  return Ok();
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

Status WriteColumns(const std::filesystem::path& path, const RowSource& source,
                    std::span<const std::uint64_t> rows, const WriteOptions& options) {
  const std::lock_guard lock(LibraryMutex());
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  const Error failed{ErrorKind::kIo, ""};
  const Handle access = UnlockedAccess();
  if (options.newest_format) {
    H5Pset_libver_bounds(access.id(), H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  }
  const Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()), H5Fclose);
  if (!file.ok()) return failed;
  for (std::size_t field = 0; field < source.fields().size(); ++field) {
    MUSTER_RETURN_IF_ERROR(WriteColumn(file.id(), source, field, rows, options));
  }
  return H5Fflush(file.id(), H5F_SCOPE_GLOBAL) >= 0 ? Ok() : Status(failed);
}

}  // namespace

Status WriteRows(const std::filesystem::path& path, const RowSource& source,
                 std::span<const std::uint64_t> rows, WriteOptions options) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  Status status = WriteColumns(temporary, source, rows, options);
  if (!status.ok() && status.error().message.empty()) status = WriteFailure(path);
  if (status.ok()) status = Publish(temporary, path);
  if (!status.ok()) ::unlink(temporary.c_str());
  return status;
}

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
  std::vector<std::uint64_t> all(rows);
  std::iota(all.begin(), all.end(), 0);
  return WriteRows(path, MemoryRows("memory", rows, columns), all, options);
}

}  // namespace muster::trainer::hdf5
