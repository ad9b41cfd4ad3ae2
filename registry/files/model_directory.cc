#include "registry/files/model_directory.h"

#include <system_error>

#include "registry/files/model_key.h"
#include "registry/files/signed_directory.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/base/sha256.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

/// Held-out rows of one model; far more than any gate needs.
constexpr std::size_t kEvaluationBytesMax = std::size_t{4} << 30;

Error FileError(std::string_view what, const fs::path& path, const std::error_code& code) {
  return IoError(std::string(what) + " " + path.string(), code.value());
}

Status CopyDurably(const fs::path& from, const fs::path& to) {
  std::error_code code;
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, code);
  if (code) return FileError("copy " + from.string() + " to", to, code);
  return SyncToDisk(to);
}

}  // namespace

fs::path ModelDirectory::WorkspacePath(const std::string& request_id) const {
  // Request ids hold slashes and whatever a sweep is called.
  return places_.work / Sha256Hex(request_id).substr(0, 32);
}

fs::path ModelDirectory::VersionDirectory(const std::string& model, std::int64_t version) const {
  return places_.root / model / std::to_string(version);
}

Result<fs::path> ModelDirectory::Workspace(const std::string& request_id) {
  const fs::path path = WorkspacePath(request_id);
  std::error_code code;
  fs::remove_all(path, code);
  if (code) return FileError("empty", path, code);
  MUSTER_RETURN_IF_ERROR(MakeFolders(path));
  return path;
}

void ModelDirectory::Discard(const std::string& request_id) {
  std::error_code code;
  fs::remove_all(WorkspacePath(request_id), code);
  if (code) LogWarning("registry", FileError("remove", WorkspacePath(request_id), code).message);
}

Result<ExportBundle> ModelDirectory::ReadBundle(const fs::path& directory) {
  ExportBundle bundle;
  bundle.directory = directory;
  MUSTER_ASSIGN_OR_RETURN(const std::string info, ReadWholeFile(directory / "export.json"));
  MUSTER_ASSIGN_OR_RETURN(bundle.info, ExportInfoFromJson(info));
  MUSTER_ASSIGN_OR_RETURN(const std::string bytes,
                          ReadWholeFile(directory / "evaluation.safetensors", kEvaluationBytesMax));
  MUSTER_ASSIGN_OR_RETURN(const SafetensorsFile file, ReadSafetensors(bytes));
  MUSTER_ASSIGN_OR_RETURN(bundle.evaluation, EvaluationFromTensors(file));
  std::error_code code;
  if (!fs::is_regular_file(bundle.onnx_file(), code)) {
    return NotFound("no model.onnx in the export " + directory.string());
  }
  MUSTER_ASSIGN_OR_RETURN(const FileDigest digest, DigestFile(bundle.onnx_file()));
  bundle.onnx_sha256 = digest.sha256;
  bundle.onnx_bytes = digest.bytes;
  if (const fs::path weights = directory / "model.onnx.data"; fs::exists(weights, code)) {
    MUSTER_ASSIGN_OR_RETURN(const FileDigest more, DigestFile(weights));
    bundle.weights_sha256 = more.sha256;
    bundle.onnx_bytes += more.bytes;
  }
  return bundle;
}

Status ModelDirectory::Write(const fs::path& directory, const std::vector<PackageFile>& files) {
  MUSTER_RETURN_IF_ERROR(MakeFolders(directory));
  for (const PackageFile& file : files) {
    const fs::path path = directory / file.path;
    MUSTER_RETURN_IF_ERROR(file.copy_from.empty() ? WriteFileAtomically(path, file.bytes)
                                                  : CopyDurably(file.copy_from, path));
  }
  return SyncToDisk(directory);
}

Status ModelDirectory::Sign(const fs::path& directory, const std::string& model) {
  MUSTER_ASSIGN_OR_RETURN(const ModelKey key, ModelKey::LoadOrMake(places_.key));
  return SignDirectory(directory, model, key);
}

Status ModelDirectory::Publish(const fs::path& directory, const std::string& model,
                               std::int64_t version, const std::string& config_pbtxt) {
  const fs::path target = VersionDirectory(model, version);
  std::error_code code;
  if (fs::exists(target, code)) return Ok();
  MUSTER_RETURN_IF_ERROR(MakeFolders(target.parent_path()));
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(target.parent_path() / "config.pbtxt", config_pbtxt));
  fs::rename(directory, target, code);
  if (code) return FileError("rename " + directory.string() + " to", target, code);
  return SyncToDisk(target.parent_path());
}

Result<fs::path> ModelDirectory::OnnxFile(const ModelVersion& version) {
  const fs::path published = VersionDirectory(version.name, version.version) / "model.onnx";
  std::error_code code;
  if (fs::is_regular_file(published, code)) return published;
  if (fetch_) return fetch_(version);
  return NotFound("version " + std::to_string(version.version) + " of '" + version.name +
                  "' was not published here: no " + published.string());
}

}  // namespace muster::registry
