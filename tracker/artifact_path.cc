#include <algorithm>
#include <cctype>

#include "runtime/wire/http.h"
#include "tracker/artifact_store.h"

namespace muster::tracker {

namespace {

Error InvalidPath() { return Invalid("Invalid path"); }

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

/// One round of MLflow's _decode: unescape, and what urlparse and urlunparse leave of it.
std::string DecodeOnce(std::string_view text) {
  std::string decoded = http::PercentDecode(text);
  std::erase_if(decoded, [](char c) { return c == '\t' || c == '\r' || c == '\n'; });
  const auto begin =
      std::ranges::find_if(decoded, [](char c) { return static_cast<unsigned char>(c) > 0x20; });
  return {begin, decoded.end()};
}

/// PureWindowsPath(path).is_absolute(): a drive with a root, or a share.
bool IsWindowsAbsolute(std::string_view path) {
  const auto slash = [](char c) { return c == '/' || c == '\\'; };
  if (path.size() >= 3 && path[1] == ':' && slash(path[2])) {
    return std::isalpha(static_cast<unsigned char>(path[0])) != 0;
  }
  return path.size() >= 2 && slash(path[0]) && slash(path[1]);
}

}  // namespace

Result<std::string> SafeArtifactPath(std::string_view path) {
  constexpr int kMaxRounds = 10;  // as MLflow; what is still escaped then is no honest name
  std::string text(path);
  for (int round = 0;; ++round) {
    std::string decoded = DecodeOnce(text);
    if (decoded == text) break;
    if (round == kMaxRounds) return InvalidPath();
    text = std::move(decoded);
  }
  if (text.starts_with('/') || text.starts_with("file:") || IsWindowsAbsolute(text) ||
      text.find('#') != std::string::npos) {
    return InvalidPath();
  }
  std::string safe;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (part == "..") return InvalidPath();
    if (part.empty() || part == ".") continue;
    if (!safe.empty()) safe += '/';
    for (const char c : part) {
      safe += IsControl(c)
                  ? "%" + std::string{"0123456789abcdef"[(c >> 4) & 7], "0123456789abcdef"[c & 15]}
                  : std::string(1, c);
    }
  }
  return safe;
}

Result<std::string> SafeArtifactFile(std::string_view path) {
  if (path.ends_with('/')) return InvalidPath();
  MUSTER_ASSIGN_OR_RETURN(std::string safe, SafeArtifactPath(path));
  if (safe.empty()) return InvalidPath();
  return safe;
}

Result<std::string> ArtifactStorePath(std::string_view artifact_uri, std::string_view path) {
  constexpr std::string_view kScheme = "mlflow-artifacts:";
  constexpr std::string_view kProxy = "/api/2.0/mlflow-artifacts/artifacts/";
  std::string_view rest = artifact_uri;
  if (rest.starts_with(kScheme)) {
    rest.remove_prefix(kScheme.size());
    if (rest.starts_with("//")) {  // with a host, or an empty one
      rest.remove_prefix(2);
      rest.remove_prefix(std::min(rest.find('/'), rest.size()));
    }
  } else if (const std::size_t proxy = rest.find(kProxy);
             proxy != std::string_view::npos && rest.starts_with("http")) {
    rest.remove_prefix(proxy + kProxy.size());
  } else {
    return Unsupported("artifacts at '" + std::string(artifact_uri) +
                       "' are not in this server's store, whose addresses begin with " +
                       std::string(kScheme));
  }
  while (rest.starts_with('/')) rest.remove_prefix(1);
  std::string full(rest);
  if (!path.empty()) full += "/" + std::string(path);
  return full;
}

std::optional<std::string> LocalFolderOf(std::string_view artifact_uri) {
  if (artifact_uri.starts_with("file:")) {
    artifact_uri.remove_prefix(5);
    if (artifact_uri.starts_with("//")) {
      artifact_uri.remove_prefix(2);
      artifact_uri.remove_prefix(std::min(artifact_uri.find('/'), artifact_uri.size()));
    }
    return http::PercentDecode(artifact_uri);
  }
  const std::size_t colon = artifact_uri.find(':');
  if (colon == std::string_view::npos || artifact_uri.find('/') < colon) {
    return std::string(artifact_uri);
  }
  return std::nullopt;
}

}  // namespace muster::tracker
