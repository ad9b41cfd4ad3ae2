#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "registry/serve/model_source.h"

namespace muster::registry::serve {

/// A folder of models in Triton's layout, NAME/VERSION/model.onnx, of each of which the highest version is the one to
/// serve (Triton's policy `latest { num_versions: 1 }`). Read anew at each call; a new version must appear whole, by
/// rename. Safe from any thread.
class ModelRepository {
 public:
  explicit ModelRepository(std::filesystem::path root) : root_(std::move(root)) {}

  /// The folders in it, by name. kNotFound without the root.
  [[nodiscard]] Result<std::vector<std::string>> Names() const;
  /// kInvalid when `name` is not the name of one folder ("a/b", "..", ".git", ""), kNotFound without a version of it.
  [[nodiscard]] Result<ModelLocation> Latest(std::string_view name) const;
  /// The model in a folder below the root, as SageMaker names it by its path. kUnauthorized for one outside, also by
  /// way of links; kNotFound without a model in it.
  [[nodiscard]] Result<ModelLocation> At(std::string_view name,
                                         const std::filesystem::path& folder) const;
  [[nodiscard]] bool Has(std::string_view name) const;

 private:
  std::filesystem::path root_;
};

}  // namespace muster::registry::serve
