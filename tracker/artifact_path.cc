#include <algorithm>

#include "runtime/wire/http.h"
#include "tracker/artifact_store.h"

namespace muster::tracker {

namespace {

bool IsDrive(std::string_view path) {
  return path.size() >= 2 && path[1] == ':' &&
         ((path[0] >= 'a' && path[0] <= 'z') || (path[0] >= 'A' && path[0] <= 'Z'));
}

bool IsSafe(std::string_view path) {
  const auto bad = [](char c) {
    return c == '\\' || c == '#' || static_cast<unsigned char>(c) < 0x20;
  };
  if (std::ranges::any_of(path, bad) || IsDrive(path)) return false;
  if (path.ends_with('/')) path.remove_suffix(1);
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

Status CheckArtifactPath(std::string_view path) {
  constexpr int kMaxRounds = 10;  // as MLflow; what is still escaped then is no honest name
  std::string text(path);
  for (int round = 0; round < kMaxRounds; ++round) {
    if (!IsSafe(text)) break;
    std::string decoded = http::PercentDecode(text);
    if (decoded == text) return Ok();
    text = std::move(decoded);
  }
  return Invalid("Invalid path: '" + std::string(path) +
                 "': wanted a relative path without '..', '.', empty parts, '\\' and '#'");
}

Result<std::string> ArtifactStorePath(std::string_view artifact_uri, std::string_view path) {
  constexpr std::string_view kScheme = "mlflow-artifacts:";
  if (!artifact_uri.starts_with(kScheme)) {
    return Unsupported("artifacts at '" + std::string(artifact_uri) +
                       "' are not in this server's store, whose addresses begin with " +
                       std::string(kScheme));
  }
  artifact_uri.remove_prefix(kScheme.size());
  while (artifact_uri.starts_with('/')) artifact_uri.remove_prefix(1);
  std::string full(artifact_uri);
  if (!path.empty()) full += "/" + std::string(path);
  return full;
}

}  // namespace muster::tracker
