#include "registry/serve/model_source.h"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

namespace muster::registry::serve {

namespace {

constexpr const char* kModelFile = "model.onnx";

std::optional<std::int64_t> VersionOf(const std::filesystem::path& directory) {
  const std::string text = directory.filename().string();
  std::int64_t version = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (failed != std::errc() || end != text.data() + text.size() || version < 1) return std::nullopt;
  return version;
}

}  // namespace

DirectorySource::DirectorySource(std::filesystem::path directory, std::string name)
    : name_(std::move(name)) {
  std::error_code ignored;
  directory_ = std::filesystem::weakly_canonical(directory, ignored);
  if (directory_.empty()) directory_ = std::move(directory);
  if (!directory_.has_filename()) directory_ = directory_.parent_path();
}

Result<ModelLocation> DirectorySource::Current() { return In(directory_, true); }

Result<ModelLocation> DirectorySource::In(const std::filesystem::path& directory,
                                          bool may_be_around) const {
  std::error_code failed;
  const auto named = VersionOf(directory) ? directory.parent_path() : directory;
  const std::string name = name_.empty() ? named.filename().string() : name_;
  if (std::filesystem::is_regular_file(directory / kModelFile, failed)) {
    return ModelLocation{name, VersionOf(directory).value_or(1), directory};
  }
  std::optional<ModelLocation> newest;
  std::vector<std::filesystem::path> folders;
  std::filesystem::directory_iterator entries(directory, failed);
  if (failed) return NotFound("there is no model directory " + directory.string());
  for (; entries != std::filesystem::directory_iterator(); entries.increment(failed)) {
    const auto& path = entries->path();
    const auto version = VersionOf(path);
    std::error_code no_file;
    if (entries->is_directory(no_file)) folders.push_back(path);
    if (!version || (newest && newest->version > *version)) continue;
    if (!std::filesystem::is_regular_file(path / kModelFile, no_file)) continue;
    newest = ModelLocation{name, *version, path};
  }
  // A listing that was cut short may lack the newest.
  if (failed) return IoError("list " + directory.string(), failed.value());
  if (newest) return *newest;
  if (may_be_around && folders.size() == 1) return In(folders.front(), false);
  return NotFound(directory.string() +
                  " holds neither model.onnx nor a version's folder with one, "
                  "as 1/model.onnx");
}

}  // namespace muster::registry::serve
