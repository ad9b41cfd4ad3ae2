#include "registry/serve/model_repository.h"

#include <algorithm>
#include <utility>

namespace muster::registry::serve {

namespace {

bool IsOneFolder(std::string_view name) {
  return !name.empty() && name.front() != '.' &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

}  // namespace

Result<std::vector<std::string>> ModelRepository::Names() const {
  std::vector<std::string> names;
  std::error_code failed;
  std::filesystem::directory_iterator entries(root_, failed);
  if (failed) return NotFound("there is no model repository " + root_.string());
  for (; entries != std::filesystem::directory_iterator(); entries.increment(failed)) {
    std::string name = entries->path().filename().string();
    std::error_code no_folder;
    if (IsOneFolder(name) && entries->is_directory(no_folder)) names.push_back(std::move(name));
  }
  if (failed) return IoError("list " + root_.string(), failed.value());
  std::sort(names.begin(), names.end());
  return names;
}

bool ModelRepository::Has(std::string_view name) const {
  std::error_code failed;
  return IsOneFolder(name) && std::filesystem::is_directory(root_ / name, failed);
}

Result<ModelLocation> ModelRepository::Latest(std::string_view name) const {
  if (!IsOneFolder(name)) {
    return Invalid("'" + std::string(name) + "' is not the name of a model's folder");
  }
  return DirectorySource(root_ / name, std::string(name)).Current();
}

Result<ModelLocation> ModelRepository::At(std::string_view name,
                                          const std::filesystem::path& folder) const {
  std::error_code failed;
  const auto root = std::filesystem::weakly_canonical(root_, failed);
  const auto real = std::filesystem::weakly_canonical(folder, failed);
  if (std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first != root.end()) {
    return Unauthorized("the folder " + folder.string() + " is not below " + root.string());
  }
  return DirectorySource(real, std::string(name)).Current();
}

}  // namespace muster::registry::serve
