#pragma once

#include "tracker/mlflow/fields.h"
#include "tracker/run_store.h"

namespace muster::tracker {

/// What a runs/search asks beyond MLflow, in a field that MLflow does not have:
///
///   "muster": {"select": ["metrics.loss", "params"], "count": true}
///
/// With it, even when it is empty, `filter` and `order_by` are muster's own language (runtime/filter/expression.h).
/// select names what runs are answered with: "metrics", "params" and "tags" all of them, "metrics.<key>" one,
/// "links" inputs and outputs; without it everything. With count the answer has "count", how many runs there are on
/// all pages. kInvalid for another name.
Status ReadOwnSearch(Fields& fields, SearchQuery& query);

}  // namespace muster::tracker
