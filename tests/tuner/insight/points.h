#pragma once

#include <vector>

#include "tuner/insight/pareto.h"

namespace muster::tuner {

/// Points that are easily made in any language: the golden values of the tests were made from the same ones.
inline std::vector<Losses> Points(int count, int objectives) {
  std::vector<Losses> points;
  for (int i = 0; i < count; ++i) {
    auto& point = points.emplace_back();
    for (int j = 0; j < objectives; ++j) {
      point.push_back(((i * i * 37 + i * 101 * (j + 1) + j * 53) % 97) / 97.0);
    }
  }
  return points;
}

}  // namespace muster::tuner
