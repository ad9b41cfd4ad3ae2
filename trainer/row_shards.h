#pragma once

#include <memory>
#include <vector>

#include "trainer/row_source.h"

namespace muster::trainer {

/// Several sources as one: the rows of the first, then those of the second, and so on. One source is given back as
/// it is. Reads as the sources do; an error is theirs and names their file, with the row as counted there.
/// kInvalid when there is none, one has no rows, or one has other columns than the first: named with both
/// types and shapes. The order of columns may differ.
Result<std::unique_ptr<RowSource>> JoinShards(std::vector<std::unique_ptr<RowSource>> shards);

}  // namespace muster::trainer
