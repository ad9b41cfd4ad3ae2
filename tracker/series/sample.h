#pragma once

#include <cstddef>
#include <vector>

namespace muster::tracker {

/// Which of `rows` rows stand for all: the first of each of `most` parts of about the same size (SQL's NTILE, the longer
/// ones first), all when there are no more, and the last in any case. Ascending. `most` is 1 or more.
/// As MLflow 3.18 samples a history for a chart.
std::vector<std::size_t> SampledRows(std::size_t rows, std::size_t most);

}  // namespace muster::tracker
