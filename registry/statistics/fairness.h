#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// Group fairness as Fairlearn 0.15 defines it, between groups (the largest against the smallest). Pure; any thread.

namespace muster::registry::statistics {

struct GroupRates {
  std::int64_t group = 0;
  std::int64_t rows = 0, positives = 0;  ///< positives: by label
  double selected = 0;                   ///< share predicted positive
  double true_positive_rate = 0;         ///< NaN without positives
  double false_positive_rate = 0;        ///< NaN without negatives
  [[nodiscard]] std::int64_t negatives() const { return rows - positives; }
};

/// One entry a group, by ascending group. All spans have N entries.
std::vector<GroupRates> RatesByGroup(std::span<const std::uint8_t> predicted,
                                     std::span<const std::uint8_t> actual,
                                     std::span<const std::int64_t> groups);

enum class FairnessMeasure {
  kDemographicParityDifference,  ///< of `selected`, largest - smallest; [0, 1], 0 is fair
  kDemographicParityRatio,  ///< smallest / largest; [0, 1], 1 is fair; the four-fifths rule wants 0.8
  kEqualizedOddsDifference,     ///< the larger of the differences of both rates
  kEqualizedOddsRatio,          ///< the smaller of their ratios
  kEqualOpportunityDifference,  ///< of the true positive rate
};
/// NaN when a rate it needs is NaN, when a ratio is 0 / 0, and with fewer than two groups.
double Fairness(FairnessMeasure measure, std::span<const GroupRates> groups);

}  // namespace muster::registry::statistics
