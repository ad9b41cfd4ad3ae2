#include "tracker/sqlite/part_files.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "runtime/base/file.h"
#include "runtime/base/random.h"

namespace muster::tracker {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kIdBytes = 16;
constexpr std::string_view kTarget = "target";

Error NoUpload(std::string_view upload) {
  return NotFound("No such multipart upload: '" + std::string(upload) + "'");
}

std::string Number(std::int64_t number) { return std::to_string(number); }

std::string WithoutQuotes(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return std::string(etag);
}

bool IsHex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// "<64 digits>-<size>", as Put made it: it becomes a file's name.
bool IsEtag(std::string_view etag) {
  constexpr std::size_t kSha256Digits = 64;
  if (etag.size() <= kSha256Digits + 1 || etag[kSha256Digits] != '-') return false;
  return IsHex(etag.substr(0, kSha256Digits)) && IsHex(etag.substr(kSha256Digits + 1));
}

}  // namespace

Result<PartFiles> PartFiles::Open(const fs::path& root) {
  std::error_code error;
  fs::create_directories(root / "uploads", error);
  if (error) return IoError((root / "uploads").string(), error.value());
  return PartFiles(root / "uploads");
}

Result<std::string> PartFiles::Begin(std::string_view path, std::int64_t parts) const {
  if (parts < 1 || parts > kMostParts) {
    return Invalid("num_parts must be between 1 and " + Number(kMostParts) + " (got " +
                   Number(parts) + ").");
  }
  const std::string id = RandomHex(kIdBytes);
  std::error_code error;
  fs::create_directory(root_ / id, error);
  if (error) return IoError((root_ / id).string(), error.value());
  MUSTER_RETURN_IF_ERROR(
      ReplaceFile(root_ / id / kTarget, Number(parts) + "\n" + std::string(path)));
  return id;
}

Result<PartFiles::Target> PartFiles::Find(std::string_view upload) const {
  if (upload.size() != 2 * kIdBytes || !IsHex(upload)) return NoUpload(upload);
  Target target{.folder = root_ / upload};
  const auto text = ReadWholeFile(target.folder / kTarget);
  if (!text) return text.error().kind == ErrorKind::kNotFound ? NoUpload(upload) : text.error();
  const char* end = text->data() + text->size();
  const auto [stop, failed] = std::from_chars(text->data(), end, target.parts);
  if (failed != std::errc() || stop == end) return NoUpload(upload);
  target.path.assign(stop + 1, end);
  return target;
}

Result<std::string> PartFiles::Put(std::string_view upload, std::int64_t number,
                                   const StagedObject& part) const {
  MUSTER_ASSIGN_OR_RETURN(const Target target, Find(upload));
  if (number < 1 || number > target.parts) {
    return Invalid("part " + Number(number) + " is not one of the 1 to " + Number(target.parts) +
                   " of this upload");
  }
  const std::string etag = part.sha256 + "-" + Number(part.size);
  std::error_code error;
  fs::rename(part.file(), target.folder / (Number(number) + "-" + etag), error);
  if (error == std::errc::no_such_file_or_directory) return NoUpload(upload);  // aborted meanwhile
  if (error) return IoError(target.folder.string(), error.value());
  return etag;
}

Result<std::vector<fs::path>> PartFiles::FilesOf(std::string_view path, std::string_view upload,
                                                 std::vector<ArtifactPart> parts) const {
  MUSTER_ASSIGN_OR_RETURN(const Target target, Find(upload));
  if (target.path != path) return NoUpload(upload);
  if (static_cast<std::int64_t>(parts.size()) != target.parts) {
    return Invalid("The upload has " + Number(target.parts) + " parts, " +
                   std::to_string(parts.size()) + " are named.");
  }
  std::ranges::sort(parts, {}, &ArtifactPart::number);
  std::vector<fs::path> files;
  for (std::int64_t number = 1; const ArtifactPart& part : parts) {
    const std::string etag = WithoutQuotes(part.etag);
    const fs::path file = target.folder / (Number(number) + "-" + etag);
    std::error_code error;
    if (part.number != number || !IsEtag(etag) ||
        std::to_string(fs::file_size(file, error)) != etag.substr(etag.find('-') + 1) || error) {
      return Invalid("Part " + Number(number) + " with the named ETag was not uploaded.");
    }
    files.push_back(file);
    ++number;
  }
  return files;
}

Status PartFiles::Remove(std::string_view path, std::string_view upload) const {
  const auto target = Find(upload);
  if (!target) return target.error().kind == ErrorKind::kNotFound ? Ok() : Status(target.error());
  if (target->path != path) return NoUpload(upload);
  std::error_code error;
  fs::remove_all(target->folder, error);
  if (error) return IoError(target->folder.string(), error.value());
  return Ok();
}

Result<std::int64_t> PartFiles::RemoveOlder(fs::file_time_type before) const {
  std::int64_t removed = 0;
  std::error_code error;
  for (const auto& folder : fs::directory_iterator(root_, error)) {
    std::error_code gone;
    const auto changed = folder.last_write_time(gone);
    if (gone || changed >= before) continue;
    fs::remove_all(folder.path(), gone);
    if (gone) return IoError(folder.path().string(), gone.value());
    ++removed;
  }
  if (error) return IoError(root_.string(), error.value());
  return removed;
}

}  // namespace muster::tracker
