#include "trainer/hdf5/dataset_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include "trainer/hdf5/handle.h"

namespace muster::trainer::hdf5 {

std::mutex& LibraryMutex() {
  static std::mutex mutex;
  return mutex;
}

namespace {

/// HDF5 1.10 walks all chunks to find one: looking up 4096 takes 0.6 s, 16384 take 6 s, 65536 160 s.
constexpr hsize_t kChunksMax = 4096;

/// Where the rows of a dataset lie in the file, when they lie plainly.
struct PlainLayout {
  std::uint64_t chunk_rows = 0;          ///< rows of one piece; all rows when contiguous
  std::vector<std::uint64_t> addresses;  ///< of each piece
};

struct OpenDataset {
  Handle handle;
  std::optional<PlainLayout> plain;
};

hid_t NativeType(ElementType type) {
  switch (type) {
    case ElementType::kU8:
      return H5T_NATIVE_UINT8;
    case ElementType::kI32:
      return H5T_NATIVE_INT32;
    case ElementType::kI64:
      return H5T_NATIVE_INT64;
    case ElementType::kF32:
      return H5T_NATIVE_FLOAT;
    case ElementType::kF64:
      return H5T_NATIVE_DOUBLE;
  }
  return -1;
}

constexpr ElementType kTypes[] = {ElementType::kU8, ElementType::kI32, ElementType::kI64,
                                  ElementType::kF32, ElementType::kF64};

/// By class, size and sign, so that big-endian files match too (and are read by the library).
std::optional<ElementType> TypeOf(hid_t type) {
  for (const ElementType wanted : kTypes) {
    const hid_t native = NativeType(wanted);
    if (H5Tget_class(type) != H5Tget_class(native) || H5Tget_size(type) != H5Tget_size(native)) {
      continue;
    }
    if (H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) != H5Tget_sign(native)) continue;
    return wanted;
  }
  return std::nullopt;
}

std::optional<PlainLayout> FindPlainLayout(hid_t dataset, hid_t type, ElementType element,
                                           const std::vector<hsize_t>& shape) {
  if (H5Tequal(type, NativeType(element)) <= 0) return std::nullopt;
  const Handle list(H5Dget_create_plist(dataset), H5Pclose);
  if (!list.ok()) return std::nullopt;
  const H5D_layout_t layout = H5Pget_layout(list.id());
  if (layout == H5D_CONTIGUOUS && H5Pget_external_count(list.id()) == 0) {
    const haddr_t address = H5Dget_offset(dataset);
    if (address == HADDR_UNDEF) return std::nullopt;
    return PlainLayout{shape[0], {address}};
  }
  if (layout != H5D_CHUNKED || H5Pget_nfilters(list.id()) != 0) return std::nullopt;
  std::vector<hsize_t> chunk(shape.size());
  if (H5Pget_chunk(list.id(), static_cast<int>(chunk.size()), chunk.data()) < 0)
    return std::nullopt;
  // A chunk that cuts rows, or is wider than they are, does not hold them side by side.
  if (!std::equal(chunk.begin() + 1, chunk.end(), shape.begin() + 1)) return std::nullopt;
  if ((shape[0] - 1) / chunk[0] >= kChunksMax) return std::nullopt;
  PlainLayout plain{chunk[0], {}};
  std::vector<hsize_t> corner(shape.size(), 0);
  for (hsize_t row = 0; row < shape[0]; row += chunk[0]) {
    corner[0] = row;
    unsigned mask = 0;
    haddr_t address = HADDR_UNDEF;
    hsize_t size = 0;
    if (H5Dget_chunk_info_by_coord(dataset, corner.data(), &mask, &address, &size) < 0 ||
        address == HADDR_UNDEF) {
      return std::nullopt;  // never written: the library knows its fill value
    }
    plain.addresses.push_back(address);
  }
  return plain;
}

class DatasetFile final : public RowSource {
 public:
  DatasetFile(std::filesystem::path path, int fd, Handle file)
      : path_(std::move(path)), fd_(fd), file_(std::move(file)) {}
  ~DatasetFile() override {
    const std::lock_guard lock(LibraryMutex());
    datasets_.clear();
    file_ = Handle();
    ::close(fd_);
  }
  DatasetFile(const DatasetFile&) = delete;
  DatasetFile& operator=(const DatasetFile&) = delete;

  [[nodiscard]] std::uint64_t rows() const override { return rows_; }
  [[nodiscard]] const std::vector<Field>& fields() const override { return fields_; }
  [[nodiscard]] std::string name() const override { return path_.string(); }

  /// The lock is held by the caller.
  Status AddDataset(const std::string& name, OpenOptions options);

  Status Read(std::size_t field, std::span<const std::uint64_t> rows,
              std::byte* out) const override {
    for (const std::uint64_t row : rows) {
      if (row >= rows_) {
        return Invalid(path_.string() + ": row " + std::to_string(row) + " of " +
                       std::to_string(rows_));
      }
    }
    return datasets_[field].plain ? ReadPlain(field, rows, out) : ReadByLibrary(field, rows, out);
  }

 private:
  Status ReadPlain(std::size_t field, std::span<const std::uint64_t> rows, std::byte* out) const;
  Status ReadByLibrary(std::size_t field, std::span<const std::uint64_t> rows,
                       std::byte* out) const;

  std::filesystem::path path_;
  int fd_;
  Handle file_;
  std::uint64_t rows_ = 0;
  std::vector<Field> fields_;
  std::vector<OpenDataset> datasets_;
};

Status DatasetFile::AddDataset(const std::string& name, OpenOptions options) {
  const std::string named = path_.string() + ": dataset '" + name + "'";
  Handle dataset(H5Dopen2(file_.id(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset.ok()) return Corrupt(named + " cannot be opened");
  const Handle type(H5Dget_type(dataset.id()), H5Tclose);
  const Handle space(H5Dget_space(dataset.id()), H5Sclose);
  const auto element = TypeOf(type.id());
  if (!element) return Invalid(named + " has an element type other than u8, i32, i64, f32, f64");
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if (rank < 1) return Invalid(named + " has no rows (it is a single value)");
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space.id(), shape.data(), nullptr);
  if (!fields_.empty() && shape[0] != rows_) {
    return Invalid(named + " has " + std::to_string(shape[0]) + " rows, but '" + fields_[0].name +
                   "' has " + std::to_string(rows_));
  }
  rows_ = shape[0];
  fields_.push_back({name, *element, {shape.begin() + 1, shape.end()}});
  std::optional<PlainLayout> plain;
  if (!options.only_library && rows_ > 0) {
    plain = FindPlainLayout(dataset.id(), type.id(), *element, shape);
  }
  datasets_.push_back({std::move(dataset), std::move(plain)});
  return Ok();
}

Status ReadFully(int fd, std::byte* out, std::size_t size, std::uint64_t offset,
                 const std::string& name) {
  while (size > 0) {
    const ssize_t got = ::pread(fd, out, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return IoError(name + ": reading " + std::to_string(size) + " bytes", errno);
    if (got == 0) {
      return Corrupt(name + " ends before byte " + std::to_string(offset + size));
    }
    out += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return Ok();
}

Status DatasetFile::ReadPlain(std::size_t field, std::span<const std::uint64_t> rows,
                              std::byte* out) const {
  const PlainLayout& plain = *datasets_[field].plain;
  const std::size_t row_bytes = fields_[field].row_bytes();
  for (std::size_t i = 0; i < rows.size();) {
    // Neighbours in the file are one read.
    const std::uint64_t piece = rows[i] / plain.chunk_rows;
    std::size_t run = 1;
    while (i + run < rows.size() && rows[i + run] == rows[i] + run &&
           rows[i + run] / plain.chunk_rows == piece) {
      ++run;
    }
    const std::uint64_t offset = plain.addresses[piece] + (rows[i] % plain.chunk_rows) * row_bytes;
    MUSTER_RETURN_IF_ERROR(
        ReadFully(fd_, out + i * row_bytes, run * row_bytes, offset, path_.string()));
    i += run;
  }
  return Ok();
}

Status DatasetFile::ReadByLibrary(std::size_t field, std::span<const std::uint64_t> rows,
                                  std::byte* out) const {
  const std::lock_guard lock(LibraryMutex());
  const Field& column = fields_[field];
  std::vector<hsize_t> start(column.row_shape.size() + 1, 0);
  std::vector<hsize_t> count(1, 1);
  count.insert(count.end(), column.row_shape.begin(), column.row_shape.end());
  const Handle space(H5Dget_space(datasets_[field].handle.id()), H5Sclose);
  const Handle memory(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr),
                      H5Sclose);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    start[0] = rows[i];
    if (H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(),
                            nullptr) < 0 ||
        H5Dread(datasets_[field].handle.id(), NativeType(column.type), memory.id(), space.id(),
                H5P_DEFAULT, out + i * column.row_bytes()) < 0) {
      return Corrupt(path_.string() + ": the HDF5 library cannot read row " +
                     std::to_string(rows[i]) + " of '" + column.name + "'");
    }
  }
  return Ok();
}

herr_t CollectName(hid_t group, const char* name, const H5L_info_t* /*info*/, void* names) {
  H5O_info_t info;
  if (H5Oget_info_by_name2(group, name, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
      info.type == H5O_TYPE_DATASET) {
    static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  }
  return 0;
}

}  // namespace

Result<std::unique_ptr<RowSource>> OpenDatasetFile(const std::filesystem::path& path,
                                                   OpenOptions options) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    return NotFound("dataset file " + path.string() + " does not exist");
  }
  if (fd < 0) return IoError("opening dataset file " + path.string(), errno);
  std::unique_ptr<DatasetFile> file;
  Status status;
  {
    const std::lock_guard lock(LibraryMutex());
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // it would print; our messages say what is wrong
    const Handle access = UnlockedAccess();
    Handle handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose);
    if (!handle.ok()) {
      ::close(fd);
      return Corrupt(path.string() + " is not an HDF5 file, or is damaged");
    }
    const Handle creation(H5Fget_create_plist(handle.id()), H5Pclose);
    hsize_t user_block = 0;
    // Addresses count from behind a user block; such a file is rare, the library may read it.
    if (H5Pget_userblock(creation.id(), &user_block) < 0 || user_block != 0) {
      options.only_library = true;
    }
    std::vector<std::string> names;
    H5Literate(handle.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, CollectName, &names);
    file = std::make_unique<DatasetFile>(path, fd, std::move(handle));
    for (const std::string& name : names) {
      status = file->AddDataset(name, options);
      if (!status.ok()) break;
    }
  }
  if (!status.ok()) return status.error();
  if (file->fields().empty()) return Invalid(path.string() + " holds no dataset");
  return std::unique_ptr<RowSource>(std::move(file));
}

}  // namespace muster::trainer::hdf5
