#include "tuner/gp/evidence.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace muster::tuner::gp {

Evidence EvidenceOf(const std::vector<Observation>& all) {
  Evidence evidence;
  std::vector<double> complete;
  for (const Observation& seen : all) {
    if (!seen.broke && !seen.cut) complete.push_back(seen.loss);
  }
  double median = -INFINITY;
  if (!complete.empty()) {
    const auto middle = complete.begin() + static_cast<std::ptrdiff_t>(complete.size() / 2);
    std::nth_element(complete.begin(), middle, complete.end());
    median = *middle;
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].broke) continue;
    evidence.which.push_back(i);
    evidence.losses.push_back(all[i].cut ? std::max(all[i].loss, median) : all[i].loss);
    evidence.feasible.push_back(all[i].feasible());
  }
  return evidence;
}

std::vector<std::size_t> BestOf(const Evidence& evidence, std::size_t most) {
  const bool any = std::ranges::any_of(evidence.feasible, [](bool f) { return f; });
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < evidence.which.size(); ++i) {
    if (!any || evidence.feasible[i]) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return evidence.losses[a] < evidence.losses[b]; });
  if (order.size() > most) order.resize(most);
  return order;
}

std::vector<std::size_t> Thinned(const std::vector<std::size_t>& which,
                                 const std::vector<double>& loss, std::size_t most) {
  const std::size_t n = which.size();
  if (n <= most) return which;
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return loss[a] < loss[b]; });
  std::vector<bool> taken(n);
  for (std::size_t i = 0; i < most / 2; ++i) taken[order[i]] = true;
  for (std::size_t i = n - most / 4; i < n; ++i) taken[i] = true;
  std::vector<std::size_t> left, kept;
  for (std::size_t i = 0; i < n; ++i) {
    if (!taken[i]) left.push_back(i);
  }
  const std::size_t wanted = most - (n - left.size());
  for (std::size_t k = 0; k < wanted && k < left.size(); ++k) {
    taken[left[k * left.size() / wanted]] = true;
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (taken[i]) kept.push_back(which[i]);
  }
  return kept;
}

}  // namespace muster::tuner::gp
