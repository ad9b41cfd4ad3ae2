#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "registry/model_store.h"
#include "runtime/base/result.h"

/// "models:/..." as MLflow reads it (store/artifact/utils/models.py). Any thread.

namespace muster::tracker {

/// models:/<model_id>, models:/<name>/<version>, /<name>/latest, /<name>/<stage> or models:/<name>@<alias>: which of
/// the last four it is, one member says; none of them says "latest".
struct ModelUri {
  std::string model_id;  ///< of a logged model; no other member is set then
  std::string name, alias, stage;
  std::optional<std::int64_t> version;
};

/// Nothing for any other text. MLflow takes whatever has no slash and no "@" for a logged model's id.
std::optional<ModelUri> ParseModelUri(std::string_view uri);

/// The version that a URI with a name means. kNotFound for an unknown name, version, or a stage without one; kInvalid
/// for an unknown alias or stage.
Result<registry::ModelVersion> VersionOf(registry::ModelStore& models, const ModelUri& uri);

}  // namespace muster::tracker
