#include "runtime/base/file_digest.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <vector>

#include "runtime/base/file_list.h"
#include "runtime/base/sha256.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

Result<std::string> FileDigest(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  Sha256 hash;
  std::vector<char> buffer(std::size_t{1} << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    hash.Update({buffer.data(), static_cast<std::size_t>(in.gcount())});
  }
  if (!in.eof()) return IoError("read " + file.string(), errno);
  return hash.Hex();
}

}  // namespace

Result<FilesStamp> StampOfFiles(std::string_view text, std::string_view suffix) {
  MUSTER_ASSIGN_OR_RETURN(const auto files, ListFiles(text, suffix));
  FilesStamp found;
  std::string lines;
  for (const fs::path& file : files) {
    std::error_code failure;
    const auto size = fs::file_size(file, failure);
    if (failure) return IoError(file.string(), failure.value());
    const auto time = fs::last_write_time(file, failure);
    if (failure) return IoError(file.string(), failure.value());
    found.bytes += size;
    lines += file.filename().string() + " " + std::to_string(size) + " " +
             std::to_string(time.time_since_epoch().count()) + "\n";
  }
  found.stamp = Sha256Hex(lines);
  return found;
}

Result<std::string> DigestOfFiles(std::string_view text, std::string_view suffix) {
  MUSTER_ASSIGN_OR_RETURN(const auto files, ListFiles(text, suffix));
  if (files.size() == 1) return FileDigest(files[0]);
  std::string lines;
  for (const fs::path& file : files) {
    MUSTER_ASSIGN_OR_RETURN(const std::string digest, FileDigest(file));
    lines += digest + "  " + file.filename().string() + "\n";
  }
  return Sha256Hex(lines);
}

}  // namespace muster
