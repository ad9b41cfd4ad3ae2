#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "registry/model_store.h"
#include "runtime/base/result.h"

namespace muster::tracker {

/// Which runs, logged models and artifacts registered model versions come from, as the registry was when it was
/// read. Immutable; any thread.
class RegisteredSources {
 public:
  /// Reads all versions.
  static Result<RegisteredSources> Load(registry::ModelStore& models);

  // "version 3 of 'digits'", or nothing.
  [[nodiscard]] std::optional<std::string> OfRun(std::string_view run_id) const;
  [[nodiscard]] std::optional<std::string> OfModel(std::string_view model_id) const;
  /// A version whose files are at `artifact_uri` or below it.
  [[nodiscard]] std::optional<std::string> At(std::string_view artifact_uri) const;

 private:
  using Versions = std::map<std::string, std::string, std::less<>>;  // to a version's name
  Versions runs_, models_, places_;
};

}  // namespace muster::tracker
