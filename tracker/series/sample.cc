#include "tracker/series/sample.h"

#include <algorithm>

namespace muster::tracker {

std::vector<std::size_t> SampledRows(std::size_t rows, std::size_t most) {
  std::vector<std::size_t> sampled;
  if (rows == 0) return sampled;
  const std::size_t parts = std::min(rows, most);
  sampled.reserve(parts + 1);
  std::size_t begin = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    sampled.push_back(begin);
    begin += rows / parts + (part < rows % parts ? 1 : 0);
  }
  if (sampled.back() == rows - 1) return sampled;
  if (sampled.size() == most) {
    sampled.back() = rows - 1;
  } else {
    sampled.push_back(rows - 1);
  }
  return sampled;
}

}  // namespace muster::tracker
