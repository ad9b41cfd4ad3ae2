#include "trainer/hdf5/array_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "runtime/base/file_list.h"
#include "trainer/hdf5/file_bytes.h"
#include "trainer/hdf5/npy_header.h"

namespace muster::trainer::hdf5 {
namespace {

float HalfToFloat(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 31U;
  const std::uint32_t fraction = half & 0x3ffU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | (fraction << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float small = static_cast<float>(fraction) * 0x1p-24F;
  return sign != 0 ? -small : small;
}

template <typename From, typename To>
void Widen(const std::byte* from, std::size_t count, std::byte* out) {
  for (std::size_t i = 0; i < count; ++i) {
    From narrow;
    std::memcpy(&narrow, from + i * sizeof(From), sizeof(From));
    const auto wide = static_cast<To>(narrow);  // NOLINT(bugprone-signed-char-misuse): a number
    std::memcpy(out + i * sizeof(To), &wide, sizeof(To));
  }
}

void WidenHalves(const std::byte* from, std::size_t count, std::byte* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const float wide = HalfToFloat(static_cast<std::uint16_t>(Little(from + 2 * i, 2)));
    std::memcpy(out + i * sizeof(float), &wide, sizeof(float));
  }
}

struct StoredType {
  std::string_view name;   ///< in a column's text
  std::string_view numpy;  ///< without the byte order
  std::size_t bytes;
  ElementType type;
  void (*widen)(const std::byte*, std::size_t, std::byte*);  ///< null: as they are
};

constexpr StoredType kStoredTypes[] = {
    {"u8", "u1", 1, ElementType::kU8, nullptr},
    {"bool", "b1", 1, ElementType::kU8, nullptr},
    {"i8", "i1", 1, ElementType::kI32, Widen<std::int8_t, std::int32_t>},
    {"i16", "i2", 2, ElementType::kI32, Widen<std::int16_t, std::int32_t>},
    {"u16", "u2", 2, ElementType::kI32, Widen<std::uint16_t, std::int32_t>},
    {"i32", "i4", 4, ElementType::kI32, nullptr},
    {"u32", "u4", 4, ElementType::kI64, Widen<std::uint32_t, std::int64_t>},
    {"i64", "i8", 8, ElementType::kI64, nullptr},
    {"f16", "f2", 2, ElementType::kF32, WidenHalves},
    {"f32", "f4", 4, ElementType::kF32, nullptr},
    {"f64", "f8", 8, ElementType::kF64, nullptr}};

const StoredType* FindType(std::string_view name) {
  const auto* found = std::ranges::find(kStoredTypes, name, &StoredType::name);
  return found == std::end(kStoredTypes) ? nullptr : found;
}

Result<const StoredType*> NumpyType(const std::string& text, const std::string& name) {
  const auto* found =
      std::ranges::find(kStoredTypes, std::string_view(text).substr(1), &StoredType::numpy);
  if (text.starts_with('>')) {
    return Unsupported(name + " is big-endian ('" + text + "'); save it as '<" + text.substr(1) +
                       "'");
  }
  if (found == std::end(kStoredTypes) || (text[0] != '<' && text[0] != '|')) {
    return Unsupported(name + " is of type '" + text +
                       "'; wanted u1, i1, i2, u2, i4, u4, i8, f2, f4, f8 or bool");
  }
  return found;
}

class OpenedFile {
 public:
  explicit OpenedFile(std::filesystem::path path) : path_(std::move(path)) {}
  OpenedFile(OpenedFile&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_) {}
  OpenedFile& operator=(OpenedFile&&) = delete;
  OpenedFile(const OpenedFile&) = delete;
  OpenedFile& operator=(const OpenedFile&) = delete;
  ~OpenedFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  Status Open() {
    fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat about{};
    if (fd_ < 0 || ::fstat(fd_, &about) != 0) return IoError("opening " + name(), errno);
    if (!S_ISREG(about.st_mode)) return Invalid(name() + " is not a file of bytes");
    bytes_ = static_cast<std::uint64_t>(about.st_size);
    return Ok();
  }
  [[nodiscard]] std::string name() const { return path_.string(); }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
};

/// A stretch of a column's string of bytes.
struct Piece {
  OpenedFile file;
  std::uint64_t data_at = 0;  ///< in the file
  std::uint64_t begin = 0;    ///< in the string
  std::uint64_t bytes = 0;
};

struct OpenedColumn {
  Field field;
  const StoredType* stored = nullptr;
  std::vector<Piece> pieces;
  std::uint64_t bytes = 0;

  [[nodiscard]] std::uint64_t row_bytes() const { return field.row_elements() * stored->bytes; }

  Status ReadBytes(std::uint64_t begin, std::uint64_t size, std::byte* out) const {
    auto piece = std::prev(std::ranges::upper_bound(pieces, begin, {}, &Piece::begin));
    for (; size > 0; ++piece) {
      const std::uint64_t count = std::min(size, piece->begin + piece->bytes - begin);
      MUSTER_RETURN_IF_ERROR(ReadAt(piece->file.fd(), out, count,
                                    piece->data_at + (begin - piece->begin), piece->file.name()));
      begin += count;
      size -= count;
      out += count;
    }
    return Ok();
  }
};

class ArrayRows final : public RowSource {
 public:
  ArrayRows(std::vector<OpenedColumn> columns, std::uint64_t rows)
      : columns_(std::move(columns)), rows_(rows) {
    for (const OpenedColumn& column : columns_) fields_.push_back(column.field);
  }
  [[nodiscard]] std::uint64_t rows() const override { return rows_; }
  [[nodiscard]] const std::vector<Field>& fields() const override { return fields_; }
  [[nodiscard]] std::string name() const override { return columns_[0].pieces[0].file.name(); }

  Status Read(std::size_t field, std::span<const std::uint64_t> rows,
              std::byte* out) const override {
    const OpenedColumn& column = columns_[field];
    const std::uint64_t stored_bytes = column.row_bytes();
    std::vector<std::byte> narrow;
    for (std::size_t i = 0; i < rows.size();) {
      std::size_t run = 1;
      while (i + run < rows.size() && rows[i + run] == rows[i] + run) ++run;
      std::byte* to = out + i * column.field.row_bytes();
      if (column.stored->widen != nullptr) narrow.resize(run * stored_bytes);
      std::byte* read_to = column.stored->widen != nullptr ? narrow.data() : to;
      MUSTER_RETURN_IF_ERROR(column.ReadBytes(rows[i] * stored_bytes, run * stored_bytes, read_to));
      if (column.stored->widen != nullptr) {
        column.stored->widen(narrow.data(), run * column.field.row_elements(), to);
      }
      i += run;
    }
    return Ok();
  }

 private:
  std::vector<OpenedColumn> columns_;
  std::uint64_t rows_;
  std::vector<Field> fields_;
};

/// Where the numbers of a .npy file are; the first file of a column says its type and shape.
Status ReadNpy(Piece& piece, OpenedColumn& column) {
  const std::string name = piece.file.name();
  std::string head(std::min<std::uint64_t>(piece.file.bytes(), kNpyHeadBytes), '\0');
  MUSTER_RETURN_IF_ERROR(
      ReadAt(piece.file.fd(), reinterpret_cast<std::byte*>(head.data()), head.size(), 0, name));
  MUSTER_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(head, name));
  MUSTER_ASSIGN_OR_RETURN(const StoredType* stored, NumpyType(header.type, name));
  const std::vector<std::int64_t> row_shape(header.shape.begin() + 1, header.shape.end());
  if (column.stored == nullptr) {
    column.stored = stored;
    column.field = {column.field.name, stored->type, row_shape};
  } else if (column.stored != stored || column.field.row_shape != row_shape) {
    return Invalid(name + " holds " + Field{column.field.name, stored->type, row_shape}.Text() +
                   " ('" + header.type + "'); wanted " + column.field.Text() + " as in " +
                   column.pieces[0].file.name());
  }
  std::uint64_t bytes = stored->bytes;
  for (const std::int64_t size : header.shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes)) {
      return Corrupt(name + ": the shape in its header has more than 2^64 bytes");
    }
  }
  if (header.data_at > piece.file.bytes() || piece.file.bytes() - header.data_at != bytes) {
    return Corrupt(name + " ends at byte " + std::to_string(piece.file.bytes()) +
                   "; its header wants " + std::to_string(bytes) + " bytes from byte " +
                   std::to_string(header.data_at));
  }
  piece.data_at = header.data_at;
  piece.bytes = bytes;
  return Ok();
}

Result<OpenedColumn> OpenColumn(const ArrayColumn& wanted, std::vector<std::string>& notes) {
  OpenedColumn column;
  column.field.name = wanted.name;
  if (!wanted.type.empty()) {
    column.stored = FindType(wanted.type);
    column.field = {wanted.name, column.stored->type, wanted.row_shape};
  }
  for (const std::filesystem::path& path : wanted.files) {
    Piece piece{OpenedFile(path)};
    MUSTER_RETURN_IF_ERROR(piece.file.Open());
    piece.bytes = piece.file.bytes();
    if (wanted.type.empty()) MUSTER_RETURN_IF_ERROR(ReadNpy(piece, column));
    if (piece.bytes == 0) {
      notes.push_back(piece.file.name() + " is empty");
      if (wanted.files.size() > 1 || wanted.type.empty()) continue;
    }
    piece.begin = column.bytes;
    column.bytes += piece.bytes;
    column.pieces.push_back(std::move(piece));
  }
  const std::uint64_t row_bytes = column.row_bytes();
  if (row_bytes == 0) return Invalid("column " + column.field.Text() + " has rows of no numbers");
  if (column.bytes < row_bytes) {
    return Invalid("column " + column.field.Text() + ": its files hold " +
                   std::to_string(column.bytes) + " bytes; a row has " + std::to_string(row_bytes));
  }
  if (const std::uint64_t rest = column.bytes % row_bytes; rest != 0) {
    notes.push_back("column " + column.field.Text() + ": the last " + std::to_string(rest) +
                    " bytes are no whole row of " + std::to_string(row_bytes) +
                    " and are left out");
  }
  return column;
}

Result<std::vector<std::int64_t>> ParseShape(std::string_view text) {
  std::vector<std::int64_t> shape;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::int64_t size = 0;
    const auto read = std::from_chars(text.data() + begin, text.data() + end, size);
    if (read.ec != std::errc() || read.ptr != text.data() + end || size < 1 ||
        size > 1'000'000'000) {
      return Invalid("'" + std::string(text) + "' is no shape; wanted like 129 or 1,8,8");
    }
    shape.push_back(size);
    begin = end + 1;
  }
  return shape;
}

/// Takes ":TYPE" or ":TYPE:SHAPE" off the end of `files`; a file's name may hold colons before it.
Status TakeType(std::string_view& files, ArrayColumn& column) {
  const std::size_t last = files.rfind(':');
  if (last == std::string_view::npos) return Ok();
  const std::string_view tail = files.substr(last + 1);
  std::string_view before = files.substr(0, last);
  if (FindType(tail) == nullptr) {
    const std::size_t colon = before.rfind(':');
    if (colon == std::string_view::npos || FindType(before.substr(colon + 1)) == nullptr)
      return Ok();
    MUSTER_ASSIGN_OR_RETURN(column.row_shape, ParseShape(tail));
    column.type = before.substr(colon + 1);
    files = before.substr(0, colon);
    return Ok();
  }
  column.type = tail;
  files = before;
  return Ok();
}

}  // namespace

Result<ArrayColumn> ParseArrayColumn(std::string_view text) {
  const std::string quoted = "'" + std::string(text) + "'";
  const std::string form =
      "; wanted NAME=FILES.npy, or NAME=FILES:TYPE[:SHAPE] like tokens=a.txt:u8:129, with one of "
      "the types u8, "
      "i8, i16, u16, i32, u32, i64, f16, f32, f64";
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Invalid(quoted + " names no column" + form);
  }
  ArrayColumn column;
  column.name = text.substr(0, equals);
  if (column.name.find('/') != std::string::npos) {
    return Invalid("column '" + column.name + "': a name has no '/' in it");
  }
  std::string_view files = text.substr(equals + 1);
  if (const Status taken = TakeType(files, column); !taken.ok()) {
    return taken.error().With("column " + quoted);
  }
  auto listed = ListFiles(files);
  if (!listed.ok()) return listed.error().With("column " + quoted);
  column.files = std::move(listed).value();
  for (const std::filesystem::path& path : column.files) {
    if (column.type.empty() && path.extension() != ".npy") {
      return Invalid("column " + quoted + " does not say what " + path.string() + " holds" + form);
    }
  }
  return column;
}

Result<std::unique_ptr<RowSource>> OpenArrays(const std::vector<ArrayColumn>& wanted,
                                              std::vector<std::string>& notes) {
  if (wanted.empty()) return Invalid("no column to convert");
  std::vector<OpenedColumn> columns;
  for (const ArrayColumn& one : wanted) {
    if (std::ranges::count(wanted, one.name, &ArrayColumn::name) > 1) {
      return Invalid("column '" + one.name + "' is there twice");
    }
    MUSTER_ASSIGN_OR_RETURN(OpenedColumn column, OpenColumn(one, notes));
    columns.push_back(std::move(column));
  }
  const std::uint64_t rows = columns[0].bytes / columns[0].row_bytes();
  for (const OpenedColumn& column : columns) {
    const std::uint64_t seen = column.bytes / column.row_bytes();
    if (seen != rows) {
      return Invalid("column " + column.field.Text() + " has " + std::to_string(seen) + " rows (" +
                     column.pieces[0].file.name() + "); " + columns[0].field.Text() + " has " +
                     std::to_string(rows) + " (" + columns[0].pieces[0].file.name() + ")");
    }
  }
  return std::unique_ptr<RowSource>(std::make_unique<ArrayRows>(std::move(columns), rows));
}

}  // namespace muster::trainer::hdf5
