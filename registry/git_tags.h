#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// The registry in Git, as GTO 1.10 reads it (github.com/treeverse/gto): annotated tags, "<name>@v<N>.0.0" on the
/// commit that version N was made of and "<name>#<alias>#<k>" where an alias names the version of that commit, with k
/// counted over all tags of the name. Pure.

namespace muster::registry {

struct GitTag {
  std::string name;
  std::string commit;  ///< 40 hex digits, also of an annotated tag
  friend bool operator==(const GitTag&, const GitTag&) = default;
};
/// Lines of `git for-each-ref --format='%(refname:strip=2) %(objectname) %(*objectname)' refs/tags`.
std::vector<GitTag> ReadGitTags(std::string_view lines);

struct TaggedVersion {
  std::string model;
  std::int64_t version = 0;
  std::string alias;   ///< empty: no stage
  std::string commit;  ///< for a version that has no tag yet; one with a tag stays where it is
};
/// The tags to make, in order; none when the version is tagged and the alias' newest tag says the same. kInvalid for a
/// model or alias that GTO does not allow, kConflict when another version of the model is on the commit: GTO could
/// not tell which one a stage means.
Result<std::vector<GitTag>> PlanGitTags(const std::vector<GitTag>& there,
                                        const TaggedVersion& wanted);

}  // namespace muster::registry
