#pragma once

#include <cstddef>
#include <vector>

#include "tuner/gp/observations.h"

/// Which observations a model learns from.

namespace muster::tuner::gp {

/// What the objective's models take from the observations: those with a loss.
struct Evidence {
  std::vector<std::size_t> which;  ///< indices in Observations::all()
  std::vector<double> losses;      ///< pruned ones as no better than the median
  std::vector<bool> feasible;
};
Evidence EvidenceOf(const std::vector<Observation>& all);

/// The observations with the smallest losses, the best first; feasible ones alone unless there are none.
std::vector<std::size_t> BestOf(const Evidence& evidence, std::size_t most);

/// `most` of `which` in their order, `loss` an entry each: half the best, a quarter the newest, the rest evenly
/// from what is left.
std::vector<std::size_t> Thinned(const std::vector<std::size_t>& which,
                                 const std::vector<double>& loss, std::size_t most);

template <class T>
std::vector<T> Pick(const std::vector<T>& from, const std::vector<std::size_t>& which) {
  std::vector<T> picked;
  picked.reserve(which.size());
  for (const std::size_t i : which) picked.push_back(from[i]);
  return picked;
}

}  // namespace muster::tuner::gp
