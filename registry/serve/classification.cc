#include "registry/serve/classification.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "registry/tensor_values.h"

namespace muster::registry::serve {

Classes Classify(const Tensor& output, std::int64_t count) {
  const std::vector<double> values = ValuesAs<double>(output);
  const bool has_rows = output.shape.size() >= 2;
  const auto rows = has_rows ? static_cast<std::size_t>(output.shape.front()) : 1;
  const std::size_t size = rows == 0 ? 0 : values.size() / rows;
  const std::size_t kept = std::min(size, static_cast<std::size_t>(count));
  const bool whole = FractionBits(output.type) == 0;
  Classes classes;
  if (has_rows) classes.shape.push_back(output.shape.front());
  classes.shape.push_back(static_cast<std::int64_t>(kept));
  std::vector<std::size_t> order(size);
  for (std::size_t row = 0; row < rows; ++row) {
    const double* const of_row = values.data() + row * size;
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return !std::isnan(of_row[a]) && (std::isnan(of_row[b]) || of_row[a] > of_row[b]);
    });
    for (std::size_t i = 0; i < kept; ++i) {
      const double value = of_row[order[i]];
      classes.labels.push_back(
          (whole ? std::to_string(static_cast<std::int64_t>(value)) : std::to_string(value)) + ":" +
          std::to_string(order[i]));
    }
  }
  return classes;
}

}  // namespace muster::registry::serve
