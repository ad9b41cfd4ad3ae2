#include "tracker/artifact_store.h"
#include "tracker/transfer/source.h"

namespace muster::tracker {

std::optional<std::filesystem::path> LocalPath(std::string_view uri,
                                               const std::filesystem::path& base) {
  const auto folder = LocalFolderOf(uri);
  if (!folder || folder->empty()) return std::nullopt;
  const std::filesystem::path path(*folder);
  return path.is_absolute() ? path : base / path;
}

}  // namespace muster::tracker
