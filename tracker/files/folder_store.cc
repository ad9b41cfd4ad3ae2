#include "tracker/files/folder_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <system_error>

#include "runtime/base/file.h"
#include "runtime/base/random.h"

namespace muster::tracker {

namespace {

namespace fs = std::filesystem;

Error Failed(const fs::path& path, const std::error_code& error) {
  Error failed = IoError(path.string(), error.value());
  if (error == std::errc::no_space_on_device) failed.kind = ErrorKind::kResource;
  return failed;
}

/// Is `path`, with the links of what is there of it followed, `folder` or below?
bool IsWithin(const fs::path& path, const fs::path& folder) {
  std::error_code failed;
  const fs::path real = fs::weakly_canonical(path, failed);
  if (failed) return false;
  const fs::path base = fs::weakly_canonical(folder, failed);
  if (failed) return false;
  const auto [end, unused] = std::mismatch(base.begin(), base.end(), real.begin(), real.end());
  return end == base.end();
}

class FolderArtifactStore final : public ArtifactStore {
 public:
  explicit FolderArtifactStore(fs::path root) : root_(std::move(root)) {}

  Status Put(std::string_view path, const NewArtifact& artifact) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactFile(path));
    MUSTER_ASSIGN_OR_RETURN(const fs::path target, Resolve(name));
    if (target.filename().string().starts_with(kTemporary)) {
      return Invalid("Invalid artifact file name: '" + target.filename().string() +
                     "'. Artifact names starting with '" + std::string(kTemporary) +
                     "' are reserved.");
    }
    std::error_code error;
    if (fs::is_directory(target, error)) {
      return Invalid("Invalid path: '" + name + "' is a folder of artifacts");
    }
    const Status made = MakeFolders(target.parent_path());
    if (!made.ok() && made.error().kind == ErrorKind::kInvalid) {
      return Invalid("Invalid path: a part of '" + name + "' is a file");
    }
    if (!made.ok()) return made.error();
    const fs::path temporary = target.parent_path() / (std::string(kTemporary) + RandomHex(8));
    Status written = Write(temporary, artifact);
    if (written.ok()) written = SyncToDisk(temporary);
    if (written.ok()) {
      fs::rename(temporary, target, error);
      if (error) written = Failed(target, error);
    }
    if (written.ok()) return SyncToDisk(target.parent_path());
    fs::remove(temporary, error);
    return written;
  }

  Result<ArtifactFile> Get(std::string_view path) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactPath(path));
    MUSTER_ASSIGN_OR_RETURN(fs::path file, Resolve(name));
    std::error_code error;
    const fs::file_status status = fs::status(file, error);
    if (fs::is_directory(status)) return ArtifactIsFolder(name);
    if (!fs::is_regular_file(status)) return NoSuchArtifact(name);
    return ArtifactFile{std::move(file), "", nullptr};
  }

  Result<std::vector<ArtifactInfo>> List(std::string_view folder) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactPath(folder));
    MUSTER_ASSIGN_OR_RETURN(const fs::path path, Resolve(name));
    std::vector<ArtifactInfo> list;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path, error)) {
      ArtifactInfo info{.path = entry.path().filename().string()};
      if (info.path.starts_with(kTemporary)) continue;
      std::error_code unknown;  // a link to nowhere is a file of 0 bytes
      info.is_dir = entry.is_directory(unknown);
      const std::uintmax_t size = info.is_dir ? 0 : entry.file_size(unknown);
      info.size = unknown ? 0 : static_cast<std::int64_t>(size);
      list.push_back(std::move(info));
    }
    const bool nothing =
        error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
    if (error && !nothing) return Failed(path, error);
    std::ranges::sort(list, {}, &ArtifactInfo::path);
    return list;
  }

  Status Delete(std::string_view path) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactPath(path));
    if (name.empty()) return Invalid("Invalid path");
    MUSTER_ASSIGN_OR_RETURN(const fs::path target, Resolve(name));
    std::error_code error;
    fs::remove_all(target, error);
    if (error && error != std::errc::not_a_directory) return Failed(target, error);
    return Ok();
  }

 private:
  static constexpr std::string_view kTemporary = ".artifact.uploading.";  // MLflow's own

  [[nodiscard]] Result<fs::path> Resolve(const std::string& name) const {
    fs::path path = root_ / name;
    if (IsWithin(path, root_)) return path;
    return Invalid("Invalid path: resolved path is outside the artifact directory");
  }

  static Status Write(const fs::path& temporary, const NewArtifact& artifact) {
    std::error_code error;
    if (artifact.file.empty()) return ReplaceFile(temporary, artifact.bytes);
    if (artifact.may_move) {
      fs::rename(artifact.file, temporary, error);
      if (!error) return Ok();
    }
    fs::copy_file(artifact.file, temporary, error);
    return error ? Failed(artifact.file, error) : Status(Ok());
  }

  const fs::path root_;
};

}  // namespace

std::unique_ptr<ArtifactStore> OpenFolderArtifactStore(fs::path root) {
  return std::make_unique<FolderArtifactStore>(std::move(root));
}

Result<std::shared_ptr<ArtifactStore>> OpenLocalRoot(std::string_view artifact_uri,
                                                     const std::vector<fs::path>& allowed) {
  const auto folder = LocalFolderOf(artifact_uri);
  if (!folder) {
    return Unsupported("artifacts at '" + std::string(artifact_uri) +
                       "' are of a kind that this server does not read");
  }
  for (const fs::path& root : allowed) {
    if (fs::path(*folder).is_absolute() && IsWithin(*folder, root)) {
      return std::shared_ptr<ArtifactStore>(OpenFolderArtifactStore(*folder));
    }
  }
  return Fenced("the folder '" + *folder + "' is not one that this server may read artifacts from");
}

}  // namespace muster::tracker
