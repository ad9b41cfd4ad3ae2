#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Files of runs and models by path. Paths are relative, '/'-separated, taken through SafeArtifactPath by every
/// call. Layout of paths as MLflow's client expects: "<experiment>/<run>/artifacts/<file>",
/// "<experiment>/models/<model>/artifacts/<file>". Adapters: tracker/sqlite (by content, on a local disk),
/// tracker/files (a plain folder), tracker/s3.
/// Any thread. A Put is durable (file and directory synced) when it returns.

namespace muster::tracker {

struct ArtifactInfo {
  std::string path;  ///< relative to what was listed
  bool is_dir = false;
  std::int64_t size = 0;
  std::string sha256;  ///< empty for a folder, and where the store does not know it
};

/// What is to be taken in: a file, or bytes in memory that live as long as the call.
struct NewArtifact {
  std::filesystem::path file;  ///< empty: `bytes`
  bool may_move = false;       ///< else the file is copied
  std::string sha256;          ///< of the file, when the caller knows it: then it is not read again
  std::string_view bytes;
};

/// A file of the store, to be read.
struct ArtifactFile {
  std::filesystem::path path;  ///< do not change it
  std::string sha256;          ///< empty where the store does not know it
  /// Hold it while you read: a copy that a remote store fetched is removed with it.
  std::shared_ptr<const void> keep;
};

/// A large file that comes in parts, 1 to `kMostParts`, in any order and from several clients at once.
struct ArtifactUpload {
  std::string id;
  /// Where part i + 1 is to be PUT, with no login; empty: the parts come to PutPart.
  std::vector<std::string> part_urls;
};
struct ArtifactPart {
  std::int64_t number = 0;
  std::string etag;  ///< as its PUT answered
};
struct ArtifactAddress {
  std::string url;  ///< with no login, for a quarter of an hour; empty: of this server, by its path
  std::int64_t size = 0;
};
inline constexpr std::int64_t kMostParts = 10'000;

struct CollectBefore {
  std::filesystem::file_time_type contents;  ///< those written earlier; now is safe
  std::filesystem::file_time_type
      uploads;  ///< those begun earlier: some may be under way for hours
};
struct Collected {
  std::int64_t objects = 0, bytes = 0;  ///< contents without a name
  std::int64_t uploads = 0;             ///< uploads that nobody completed
};

class ArtifactStore {
 public:
  virtual ~ArtifactStore() = default;
  /// Takes it in; replaces what the path named. kInvalid when the path, or a part of it, is a folder
  /// respectively a file; kResource when the disk is full.
  virtual Status Put(std::string_view path, const NewArtifact& artifact) = 0;
  Status PutBytes(std::string_view path, std::string_view bytes) {
    return Put(path, {.bytes = bytes});
  }
  /// kNotFound; kInvalid for a folder.
  virtual Result<ArtifactFile> Get(std::string_view path) = 0;
  /// Direct children, sorted by path; empty for a file or a missing path. "" lists the root.
  virtual Result<std::vector<ArtifactInfo>> List(std::string_view folder) = 0;
  /// A file or a whole folder; deleting nothing succeeds. kInvalid for the root.
  virtual Status Delete(std::string_view path) = 0;

  /// Whether the calls below are offered; else they answer kUnsupported with MLflow's text.
  [[nodiscard]] virtual bool offers_parts() const { return false; }
  /// An upload outlives the process; whoever knows its id may add to it, so the id cannot be guessed.
  virtual Result<ArtifactUpload> BeginUpload(std::string_view path, std::int64_t parts);
  /// The part's ETag. The same number again replaces it. kNotFound: no such upload.
  virtual Result<std::string> PutPart(std::string_view upload, std::int64_t number,
                                      const NewArtifact& part);
  /// Puts the parts together, in the order of their numbers, as `path`, which must be the one of BeginUpload.
  /// kInvalid when one is missing or another than the ETag says; then the upload stays.
  virtual Status CompleteUpload(std::string_view path, std::string_view upload,
                                std::vector<ArtifactPart> parts);
  /// Forgets the parts. An upload that is not there is no error.
  virtual Status AbortUpload(std::string_view path, std::string_view upload);

  /// Where a file can be had in parts. kNotFound; kInvalid for a folder.
  virtual Result<ArtifactAddress> AddressOf(std::string_view path);

  /// Removes contents that no path names, and uploads; beside other calls, in steps that hold them up for a moment
  /// only.
  virtual Result<Collected> Collect(const CollectBefore& before);
};

/// What Get answers: "No such artifact: 'x'", and that x is a directory.
Error NoSuchArtifact(std::string_view path);
Error ArtifactIsFolder(std::string_view path);

/// The path as the stores keep it: percent-decoded until nothing changes, without empty and "." parts and
/// a '/' at the end. kInvalid "Invalid path" by the rules of MLflow 3.18's validate_path_is_safe: absolute, of
/// a Windows drive, with '#', or with a ".." part. May be empty: the root. Control characters become "%0a".
Result<std::string> SafeArtifactPath(std::string_view path);
/// The same for a file: kInvalid when it is empty or names a folder by a '/' at its end.
Result<std::string> SafeArtifactFile(std::string_view path);

/// The path in this server's store of `path` below an artifact_uri of a run or a logged model:
/// ("mlflow-artifacts:/0/r/artifacts", "a.txt") is "0/r/artifacts/a.txt", and so is the address of the proxy,
/// "http://host/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts". kUnsupported for another scheme, which this
/// store does not hold.
Result<std::string> ArtifactStorePath(std::string_view artifact_uri, std::string_view path = "");

/// The folder of a "file:" uri or a plain path; nullopt for other schemes. "file://host/p" is "/p" as in MLflow.
std::optional<std::string> LocalFolderOf(std::string_view artifact_uri);

}  // namespace muster::tracker
