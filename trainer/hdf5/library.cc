#include "trainer/hdf5/library.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "trainer/hdf5/file_bytes.h"

namespace muster::trainer::hdf5 {

std::recursive_mutex& LibraryMutex() {
  static std::recursive_mutex mutex;  // a file may be written from rows that the library reads
  return mutex;
}

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

std::string LibraryWords() {
  std::string words;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned number, const H5E_error2_t* error, void* out) -> herr_t {
        if (number == 0 && error->desc != nullptr) {
          *static_cast<std::string*>(out) = std::string(": ") + error->desc;
        }
        return 0;
      },
      &words);
  return words;
}

Error WhyNotOpened(int fd, std::uint64_t bytes, const std::string& name, const std::string& words) {
  std::array<std::byte, 64> head{};
  const std::size_t size = std::min<std::uint64_t>(bytes, head.size());
  if (const Status read = ReadAt(fd, head.data(), size, 0, name); !read.ok()) return read.error();
  if (size < 8 || std::memcmp(head.data(), "\x89HDF\r\n\x1a\n", 8) != 0) {
    return Corrupt(name + " is not an HDF5 file: it does not begin with HDF5's signature");
  }
  const std::uint64_t version = Little(&head[8], 1);
  const std::size_t end_at = version == 0 ? 40 : version == 1 ? 44 : 28;
  const std::uint64_t end = Little(&head[end_at], 8);
  if (bytes < end_at + 8 || (end != ~std::uint64_t{0} && end > bytes)) {
    return Corrupt(name + " is cut short: it ends at byte " + std::to_string(bytes) +
                   (bytes < end_at + 8 ? "" : "; its header says " + std::to_string(end)));
  }
  return Corrupt(name + " is damaged" + words);
}

namespace {

class LibraryReader final : public ColumnReader {
 public:
  explicit LibraryReader(LibraryRows rows) : rows_(std::move(rows)) {}
  ~LibraryReader() override {
    const std::lock_guard lock(LibraryMutex());
    rows_.dataset = Handle();
  }
  LibraryReader(const LibraryReader&) = delete;
  LibraryReader& operator=(const LibraryReader&) = delete;

  Status Read(std::span<const std::uint64_t> rows, std::byte* out) const override {
    const std::lock_guard lock(LibraryMutex());
    const Field& field = rows_.field;
    std::vector<hsize_t> start(field.row_shape.size() + 1, 0);
    std::vector<hsize_t> count(1, 1);
    count.insert(count.end(), field.row_shape.begin(), field.row_shape.end());
    const Handle space(H5Dget_space(rows_.dataset.id()), H5Sclose);
    for (std::size_t i = 0; i < rows.size();) {
      std::size_t run = 1;
      while (i + run < rows.size() && rows[i + run] == rows[i] + run) ++run;
      start[0] = rows[i];
      count[0] = run;
      const Handle memory(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr),
                          H5Sclose);
      if (H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(),
                              nullptr) < 0 ||
          H5Dread(rows_.dataset.id(), NativeType(field.type), memory.id(), space.id(), H5P_DEFAULT,
                  out + i * field.row_bytes()) < 0) {
        const std::string words = LibraryWords();
        return Corrupt(rows_.name + ": the HDF5 library cannot read rows " +
                       std::to_string(rows[i]) + " to " + std::to_string(rows[i] + run - 1) +
                       words);
      }
      i += run;
    }
    return Ok();
  }

 private:
  LibraryRows rows_;
};

}  // namespace

std::unique_ptr<ColumnReader> ReadLibraryRows(LibraryRows rows) {
  return std::make_unique<LibraryReader>(std::move(rows));
}

}  // namespace muster::trainer::hdf5
