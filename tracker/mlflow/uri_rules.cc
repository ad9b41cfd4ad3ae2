#include "tracker/mlflow/uri_rules.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "runtime/wire/http.h"

namespace muster::tracker {

namespace {

constexpr std::size_t kLongestLocation = 2'048;

/// Their authority is a host to connect to.
constexpr std::array<std::string_view, 10> kHostSchemes = {
    "ftp", "sftp", "hdfs", "viewfs", "http", "https", "mlflow-artifacts", "r2", "b2", "abfss"};
/// Those of them, and texts without one, whose last part may have parameters after ';'.
constexpr std::array<std::string_view, 5> kWithParams = {"", "ftp", "sftp", "http", "https"};

bool IsSchemeByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
}

/// Takes what stands behind `mark` off `text`.
std::string TakeBehind(std::string_view& text, char mark) {
  const std::size_t at = text.find(mark);
  if (at == text.npos) return "";
  std::string behind(text.substr(at + 1));
  text = text.substr(0, at);
  return behind;
}

}  // namespace

UriParts SplitUri(std::string_view uri) {
  UriParts parts;
  const std::size_t colon = uri.find(':');
  const std::string_view scheme = uri.substr(0, colon);
  if (colon != uri.npos && !scheme.empty() && std::isalpha(static_cast<unsigned char>(scheme[0])) &&
      std::ranges::all_of(scheme, IsSchemeByte)) {
    for (const char c : scheme) parts.scheme += static_cast<char>(std::tolower(c));
    uri.remove_prefix(colon + 1);
  }
  if (uri.starts_with("//")) {
    const std::size_t end = std::min(uri.find_first_of("/?#", 2), uri.size());
    parts.authority = uri.substr(2, end - 2);
    uri.remove_prefix(end);
  }
  parts.fragment = TakeBehind(uri, '#');
  parts.query = TakeBehind(uri, '?');
  if (std::ranges::find(kWithParams, parts.scheme) != kWithParams.end()) {
    const std::size_t last = uri.rfind('/') == uri.npos ? 0 : uri.rfind('/');
    if (const std::size_t at = uri.find(';', last); at != uri.npos) {
      parts.params = uri.substr(at + 1);
      uri = uri.substr(0, at);
    }
  }
  parts.path = uri;
  return parts;
}

std::optional<std::string> DecodedWhole(std::string text) {
  constexpr int kMaxRounds = 10;  // as CheckArtifactPath
  for (int round = 0; round < kMaxRounds; ++round) {
    std::string decoded = http::PercentDecode(text);
    if (decoded == text) return text;
    text = std::move(decoded);
  }
  return std::nullopt;
}

Result<std::optional<std::string>> LocalPathOf(const std::string& uri) {
  const UriParts parts = SplitUri(uri);
  if (parts.scheme.empty()) return std::optional(http::PercentDecode(uri));
  if (parts.scheme != "file") return std::optional<std::string>();
  const std::string& host = parts.authority;
  if (host.empty() || host == "." || host.starts_with("localhost") ||
      host.starts_with("127.0.0.1")) {
    return std::optional(http::PercentDecode(parts.path));
  }
  return Internal(
      uri +
      " is not a valid remote uri. For remote access on windows, please consider using a "
      "different scheme such as SMB (e.g. smb://<hostname>/<path>).");
}

Result<std::string> AbsoluteLocation(const std::string& uri, const std::filesystem::path& folder) {
  MUSTER_ASSIGN_OR_RETURN(const auto local, LocalPathOf(uri));
  if (!local || local->starts_with('/')) return uri;
  std::filesystem::path path = folder;
  for (const auto& part : std::filesystem::path(*local)) {
    if (part != "." && !part.empty()) path /= part;
  }
  return (uri.starts_with("file:") ? "file://" : "") + path.string();
}

Status CheckArtifactLocation(const std::string& uri) {
  const UriParts parts = SplitUri(uri);
  if (!parts.fragment.empty() || !parts.params.empty()) {
    return Invalid("'artifact_location' URL can't include fragments or params.");
  }
  if (DecodedWhole(parts.query).value_or("..").find("..") != std::string::npos) {
    return Invalid("Invalid query string");
  }
  MUSTER_RETURN_IF_ERROR(CheckNoForeignHost(uri, "artifact_location"));
  if (uri.starts_with("runs:")) {
    return Invalid("Artifact location cannot be a runs:/ URI. Given: '" + uri + "'");
  }
  if (uri.size() <= kLongestLocation) return Ok();
  return Invalid(
      "Invalid artifact path length. The length of the artifact path cannot be greater than " +
      std::to_string(kLongestLocation) +
      " characters. To configure this limit, please set the "
      "MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH environment variable.");
}

Status CheckNoForeignHost(std::string_view uri, std::string_view field) {
  const UriParts parts = SplitUri(uri);
  if (std::ranges::find(kHostSchemes, parts.scheme) == kHostSchemes.end()) return Ok();
  if (parts.scheme == "mlflow-artifacts" && parts.authority.empty()) return Ok();
  return Invalid("'" + std::string(field) + "' cannot use the '" + parts.scheme +
                 "' scheme: the '" + parts.scheme +
                 "' scheme addresses a host other than the tracking server's configured artifact "
                 "storage, so the server would connect to the host named in the URI. Set the "
                 "MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES environment variable on the "
                 "server to allow it.");
}

}  // namespace muster::tracker
