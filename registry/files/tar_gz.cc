#include "registry/files/tar_gz.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <vector>

#include "runtime/base/file.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRecord = 512;
constexpr std::size_t kNameMax = 100;
constexpr std::uint64_t kBytesMax = std::uint64_t{8} << 30;
constexpr std::size_t kBlock = std::size_t{1} << 18;

/// A gzip file being written; no name and no time in its head.
class GzipFile {
 public:
  explicit GzipFile(const fs::path& path) : out_(path, std::ios::binary | std::ios::trunc) {
    // 15 + 16: the largest window, in a gzip wrapper.
    MUSTER_CHECK(deflateInit2(&stream_, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK,
                 "zlib starts");
  }
  ~GzipFile() { deflateEnd(&stream_); }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  [[nodiscard]] bool open() const { return out_.is_open(); }
  void Write(std::string_view bytes) { Deflate(bytes, Z_NO_FLUSH); }
  /// True when all of it reached the file.
  bool Finish() {
    Deflate({}, Z_FINISH);
    out_.close();
    return !out_.fail();
  }

 private:
  void Deflate(std::string_view bytes, int flush) {
    std::array<char, 1 << 16> buffer;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream_.avail_out = buffer.size();
      deflate(&stream_, flush);
      out_.write(buffer.data(), static_cast<std::streamsize>(buffer.size() - stream_.avail_out));
    } while (stream_.avail_out == 0);
  }

  std::ofstream out_;
  z_stream stream_{};
};

/// A member's head: fields at their offsets, numbers in octal.
std::string Header(const std::string& name, std::uint64_t bytes) {
  std::string header(kRecord, '\0');
  const auto put = [&](std::size_t at, std::string_view text) {
    header.replace(at, text.size(), text);
  };
  char size[13];
  std::snprintf(size, sizeof size, "%011llo", static_cast<unsigned long long>(bytes));
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");  // user
  put(116, "0000000");  // group
  put(124, size);
  put(136, "00000000000");  // time
  put(148, "        ");     // the checksum counts itself as blanks
  put(156, "0");            // a file
  put(257, "ustar");
  put(263, "00");
  put(265, "root");
  put(297, "root");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char checksum[8];
  std::snprintf(checksum, sizeof checksum, "%06o", sum);
  put(148, std::string_view(checksum, 7));
  return header;
}

Result<std::vector<std::string>> Names(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code code;
  auto entry = fs::recursive_directory_iterator(directory, code);
  for (; !code && entry != fs::recursive_directory_iterator(); entry.increment(code)) {
    const fs::file_status status = entry->symlink_status(code);
    if (code) break;
    if (fs::is_directory(status)) continue;
    std::string name = entry->path().lexically_relative(directory).generic_string();
    if (!fs::is_regular_file(status)) return Invalid(name + " is neither a file nor a folder");
    if (name.size() > kNameMax) return Unsupported(name + ": a name beyond 100 bytes");
    names.push_back(std::move(name));
  }
  if (code) return IoError("list " + directory.string(), code.value());
  std::ranges::sort(names);
  return names;
}

Status AddFile(GzipFile& archive, const fs::path& file, const std::string& name) {
  std::error_code code;
  const std::uint64_t bytes = fs::file_size(file, code);
  if (code) return IoError(file.string(), code.value());
  if (bytes >= kBytesMax) return Unsupported(name + ": 8 GiB or more");
  std::ifstream in(file, std::ios::binary);
  archive.Write(Header(name, bytes));
  std::vector<char> block(kBlock);
  std::uint64_t left = bytes;
  while (left > 0) {
    in.read(block.data(), static_cast<std::streamsize>(std::min<std::uint64_t>(left, kBlock)));
    if (in.gcount() == 0) return IoError("read " + file.string(), EIO);
    archive.Write({block.data(), static_cast<std::size_t>(in.gcount())});
    left -= static_cast<std::uint64_t>(in.gcount());
  }
  archive.Write(std::string((kRecord - bytes % kRecord) % kRecord, '\0'));
  return Ok();
}

}  // namespace

Status PackTarGz(const fs::path& directory, const fs::path& out) {
  MUSTER_ASSIGN_OR_RETURN(const auto names, Names(directory));
  const fs::path temporary = out.string() + ".part";
  Status packed = [&]() -> Status {
    errno = 0;
    GzipFile archive(temporary);
    if (!archive.open()) return IoError("create " + temporary.string(), errno != 0 ? errno : EIO);
    for (const std::string& name : names) {
      MUSTER_RETURN_IF_ERROR(AddFile(archive, directory / name, name));
    }
    archive.Write(std::string(2 * kRecord, '\0'));
    if (!archive.Finish()) return IoError("write " + temporary.string(), EIO);
    return SyncToDisk(temporary);
  }();
  std::error_code code;
  if (packed.ok()) {
    fs::rename(temporary, out, code);
    if (code) packed = IoError("rename to " + out.string(), code.value());
  }
  fs::remove(temporary, code);
  return packed;
}

}  // namespace muster::registry
