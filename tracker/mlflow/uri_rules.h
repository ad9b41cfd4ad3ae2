#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// What MLflow's server asks of the URIs that a client names: an experiment's artifact_location, a model
/// version's source (server/handlers.py, store/artifact/host_policy.py, utils/uri.py). Pure; any thread.

namespace muster::tracker {

/// As Python's urlparse splits: everything may be empty, the scheme is in lower case, text without one is a path.
struct UriParts {
  std::string scheme, authority, path, params, query, fragment;
};
UriParts SplitUri(std::string_view uri);

/// Percent-decoded until nothing changes; nothing when that takes more than ten rounds.
std::optional<std::string> DecodedWhole(std::string text);

/// The path of a plain path or of a "file:" URI of this host; nothing for any other URI. kInternal (500, as in MLflow)
/// for a "file:" URI of another host.
Result<std::optional<std::string>> LocalPathOf(const std::string& uri);
/// A relative local path as one below `folder`, anything else as it is.
Result<std::string> AbsoluteLocation(const std::string& uri, const std::filesystem::path& folder);

/// kInvalid for a place that a client may not give an experiment.
Status CheckArtifactLocation(const std::string& uri);
/// kInvalid for a URI by which this server would connect to a host that its client chose.
Status CheckNoForeignHost(std::string_view uri, std::string_view field);

}  // namespace muster::tracker
