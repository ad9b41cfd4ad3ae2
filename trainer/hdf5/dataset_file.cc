#include "trainer/hdf5/dataset_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <numeric>
#include <optional>

#include "runtime/base/file_list.h"
#include "trainer/hdf5/library.h"
#include "trainer/row_shards.h"

namespace muster::trainer::hdf5 {
namespace {

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

/// A small column: read whole when it is first asked for.
class ResidentReader final : public ColumnReader {
 public:
  ResidentReader(std::unique_ptr<ColumnReader> from, std::uint64_t rows, std::size_t row_bytes)
      : from_(std::move(from)), rows_(rows), row_bytes_(row_bytes) {}

  Status Read(std::span<const std::uint64_t> rows, std::byte* out) const override {
    std::call_once(once_, [this] { status_ = Load(); });
    if (!status_.ok()) return status_;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::memcpy(out + i * row_bytes_, bytes_.data() + rows[i] * row_bytes_, row_bytes_);
    }
    return Ok();
  }

 private:
  Status Load() const {
    constexpr std::uint64_t kBlock = 65536;
    bytes_.resize(rows_ * row_bytes_);
    std::vector<std::uint64_t> rows(std::min(rows_, kBlock));
    for (std::uint64_t begin = 0; begin < rows_; begin += kBlock) {
      rows.resize(std::min(rows_ - begin, kBlock));
      std::iota(rows.begin(), rows.end(), begin);
      MUSTER_RETURN_IF_ERROR(from_->Read(rows, bytes_.data() + begin * row_bytes_));
    }
    return Ok();
  }

  std::unique_ptr<ColumnReader> from_;
  std::uint64_t rows_;
  std::size_t row_bytes_;
  mutable std::once_flag once_;
  mutable Status status_;
  mutable std::vector<std::byte> bytes_;
};

class DatasetFile final : public RowSource {
 public:
  DatasetFile(std::filesystem::path path, int fd, std::size_t resident_bytes_max)
      : path_(std::move(path)), fd_(fd), resident_bytes_max_(resident_bytes_max) {}
  ~DatasetFile() override { ::close(fd_); }
  DatasetFile(const DatasetFile&) = delete;
  DatasetFile& operator=(const DatasetFile&) = delete;

  [[nodiscard]] std::uint64_t rows() const override { return rows_; }
  [[nodiscard]] const std::vector<Field>& fields() const override { return fields_; }
  [[nodiscard]] std::string name() const override { return path_.string(); }

  Status Read(std::size_t field, std::span<const std::uint64_t> rows,
              std::byte* out) const override {
    for (const std::uint64_t row : rows) {
      if (row >= rows_) {
        return Invalid(path_.string() + ": row " + std::to_string(row) + " of " +
                       std::to_string(rows_));
      }
    }
    try {
      return readers_[field]->Read(rows, out);
    } catch (const std::bad_alloc&) {
      return ResourceExhausted(path_.string() + ": dataset '" + fields_[field].name +
                               "': no memory for a chunk of it");
    }
  }

  /// LibraryMutex() is held.
  Status AddDataset(hid_t handle, const FileFacts& file, const std::string& name);

 private:
  std::filesystem::path path_;
  int fd_;
  std::size_t resident_bytes_max_;
  std::uint64_t rows_ = 0;
  std::vector<Field> fields_;
  std::vector<std::unique_ptr<ColumnReader>> readers_;
};

Status DatasetFile::AddDataset(hid_t handle, const FileFacts& file, const std::string& name) {
  const std::string named = path_.string() + ": dataset '" + name + "'";
  Handle dataset(H5Dopen2(handle, name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset.ok()) return Corrupt(named + " cannot be opened" + LibraryWords());
  const Handle type(H5Dget_type(dataset.id()), H5Tclose);
  const Handle space(H5Dget_space(dataset.id()), H5Sclose);
  const auto element = TypeOf(type.id());
  if (!element) return Invalid(named + " has an element type other than u8, i32, i64, f32, f64");
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if (rank < 1) return Invalid(named + " has no rows (it is a single value)");
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space.id(), shape.data(), nullptr);
  std::uint64_t bytes = ElementSize(*element);
  for (const hsize_t extent : shape) {
    if (__builtin_mul_overflow(bytes, std::max<hsize_t>(1, extent), &bytes)) {
      return Corrupt(named + " has a shape of more than 2^64 bytes");
    }
  }
  if (!fields_.empty() && shape[0] != rows_) {
    return Invalid(named + " has " + std::to_string(shape[0]) + " rows, but '" + fields_[0].name +
                   "' has " + std::to_string(rows_));
  }
  rows_ = shape[0];
  fields_.push_back({name, *element, {shape.begin() + 1, shape.end()}});
  MUSTER_ASSIGN_OR_RETURN(auto reader,
                          ReaderOf(std::move(dataset), file, fields_.back(), shape, named));
  if (rows_ > 0 && bytes <= resident_bytes_max_) {
    reader = std::make_unique<ResidentReader>(std::move(reader), rows_, fields_.back().row_bytes());
  }
  readers_.push_back(std::move(reader));
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

/// With LibraryMutex() held. The library's file is closed again; a dataset that it reads keeps it open.
Status AddDatasets(DatasetFile& source, FileFacts file, const std::string& name) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // it would print; our messages say what is wrong
  const Handle access = UnlockedAccess();
  const Handle handle(H5Fopen(name.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose);
  if (!handle.ok()) return WhyNotOpened(file.fd, file.bytes, name, LibraryWords());
  const Handle creation(H5Fget_create_plist(handle.id()), H5Pclose);
  hsize_t user_block = 0;
  std::size_t address_bytes = 0;
  std::size_t length_bytes = 0;
  // Addresses count from behind a user block, and may be shorter; such files are rare, the library may read them.
  if (H5Pget_userblock(creation.id(), &user_block) < 0 || user_block != 0 ||
      H5Pget_sizes(creation.id(), &address_bytes, &length_bytes) < 0 || address_bytes != 8 ||
      length_bytes != 8) {
    file.only_library = true;
  }
  std::vector<std::string> names;
  if (H5Literate(handle.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, CollectName, &names) < 0) {
    return Corrupt(name + ": its list of datasets is damaged" + LibraryWords());
  }
  if (names.empty()) return Invalid(name + " holds no dataset");
  for (const std::string& dataset : names) {
    MUSTER_RETURN_IF_ERROR(source.AddDataset(handle.id(), file, dataset));
  }
  return Ok();
}

}  // namespace

Result<std::unique_ptr<RowSource>> OpenDatasetFile(const std::filesystem::path& path,
                                                   OpenOptions options) {
  FileFacts file{.only_library = options.only_library, .cache = std::move(options.cache)};
  if (file.cache == nullptr) file.cache = std::make_shared<ChunkCache>(kCacheBytes);
  file.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.fd < 0 && errno == ENOENT) {
    return NotFound(
        "dataset file " + path.string() +
        " does not exist on this machine; bring it to this path on every node that runs "
        "the trial, or to a folder that they share");
  }
  if (file.fd < 0) return IoError("opening dataset file " + path.string(), errno);
  auto source = std::make_unique<DatasetFile>(path, file.fd, options.resident_bytes_max);
  struct stat about{};
  if (::fstat(file.fd, &about) != 0) return IoError("looking at " + path.string(), errno);
  if (!S_ISREG(about.st_mode)) return Invalid(path.string() + " is a folder or device, not a file");
  file.bytes = static_cast<std::uint64_t>(about.st_size);
  Status status;
  {
    const std::lock_guard lock(LibraryMutex());
    status = AddDatasets(*source, std::move(file), path.string());
  }
  if (!status.ok()) return status.error();  // its readers go without the lock, which they take
  return std::unique_ptr<RowSource>(std::move(source));
}

Result<std::unique_ptr<RowSource>> OpenDataset(std::string_view files, OpenOptions options) {
  MUSTER_ASSIGN_OR_RETURN(const auto paths, ListFiles(files, ".h5"));
  if (options.cache == nullptr) options.cache = std::make_shared<ChunkCache>(kCacheBytes);
  std::vector<std::unique_ptr<RowSource>> shards;
  for (const std::filesystem::path& path : paths) {
    MUSTER_ASSIGN_OR_RETURN(auto shard, OpenDatasetFile(path, options));
    shards.push_back(std::move(shard));
  }
  return JoinShards(std::move(shards));
}

}  // namespace muster::trainer::hdf5
