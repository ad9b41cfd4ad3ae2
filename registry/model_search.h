#pragma once

#include <optional>
#include <string>
#include <vector>

#include "registry/model_store.h"
#include "runtime/filter/filter.h"

/// SearchModels and SearchVersions over things in memory: MLflow's filter language, order and pages. A
/// store hands in what its indexes leave over. Pure.
///
/// Prompts (models tagged mlflow.prompt.is_prompt = 'true') are left out unless the filter asks for
/// them, as MLflow does.

namespace muster::registry {

/// A query whose text was understood.
struct ModelSearch {
  std::vector<filter::Clause> clauses;
  std::vector<filter::Order> order;
  std::int64_t offset = 0, limit = 100;

  /// The name that all results must have, when a clause says so.
  [[nodiscard]] std::optional<std::string> only_name() const;
};

/// kInvalid for a filter, order, token or max_results that MLflow refuses.
Result<ModelSearch> ParseModelSearch(const ModelQuery& query);
Result<ModelSearch> ParseVersionSearch(const ModelQuery& query);

ModelPage<RegisteredModel> Search(std::vector<RegisteredModel> models, const ModelSearch& search);
/// All versions of every model that has a version in `versions` must be there.
ModelPage<ModelVersion> Search(std::vector<ModelVersion> versions, const ModelSearch& search);

}  // namespace muster::registry
