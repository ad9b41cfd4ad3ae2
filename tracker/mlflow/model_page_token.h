#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// The page tokens of a search for logged models, as MLflow's: base64 of JSON with the search that they go on with
/// (SearchLoggedModelsPaginationToken), so that they fit no other. Pure; any thread.

namespace muster::tracker {

struct ModelOrder {
  std::string field_name;
  bool ascending = true;
  std::string dataset_name, dataset_digest;
};

/// What two pages of one search have in common.
struct ModelSearch {
  std::vector<std::string> experiment_ids;
  std::string filter;
  std::vector<ModelOrder> order_by;
};

std::string ModelPageToken(const ModelSearch& search, std::int64_t offset);
/// kInvalid in MLflow's words for a token of another search. An empty one is 0.
Result<std::int64_t> ModelPageOffset(std::string_view token, const ModelSearch& search);

}  // namespace muster::tracker
