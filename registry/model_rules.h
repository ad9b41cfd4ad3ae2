#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "registry/model_store.h"
#include "runtime/base/result.h"

/// What a name, alias, tag or stage may be, with MLflow 3.18's texts (utils/validation.py and
/// sqlalchemy_store.py), for every adapter of the store. Pure. Letters beyond ASCII count as
/// alphanumerics, as in Python's \w.

namespace muster::registry {

/// Not blank, no '/' or ':', not "." and nothing that begins with "..". `parameter` is named when blank.
Status CheckModelName(std::string_view name, std::string_view parameter = "name");
/// Characters and length only; what asks for an alias may use it.
Status CheckAlias(std::string_view alias);
/// CheckAlias, and not "latest" (any case) nor "v" and digits: what sets an alias.
Status CheckNewAlias(std::string_view alias);
/// Keys as MLflow's of runs, to 250 characters; values to 100,000.
Status CheckTag(std::string_view key, std::string_view value);
/// The key alone, of any length: what deletes a tag asks no more.
Status CheckTagKey(std::string_view key);
/// All tags; of a key that comes twice the last one stays. Sorted by key.
Result<std::vector<Tag>> CheckTags(const std::vector<Tag>& tags);
/// "production" -> "Production".
Result<std::string> CanonicalStage(std::string_view stage);
/// CanonicalStage, and Staging or Production when others are to be archived.
Result<std::string> StageToEnter(std::string_view stage, bool archive_existing);

Error ModelNotFound(std::string_view name);
Error ModelExists(std::string_view name);
Error VersionNotFound(std::string_view name, std::int64_t version);
Error AliasNotFound(std::string_view alias);
/// "latest" in any case stands for the highest version.
bool IsLatest(std::string_view alias);
Error NoLatest(std::string_view name);
/// The compare of a promotion failed; 0 is "nothing".
Error AliasMoved(const Promotion& wanted, std::int64_t seen);
/// The request id was used for something else.
Error RequestReused(std::string_view request_id, std::string_view model, std::int64_t version);
Error NoSuchRequest(std::string_view request_id);

/// The newest of each stage, in order of version. `versions` in any order.
std::vector<ModelVersion> LatestVersions(const std::vector<ModelVersion>& versions);

}  // namespace muster::registry
