#include "registry/statistics/fairness.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "runtime/base/check.h"

namespace muster::registry::statistics {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Spread {
  double low = kNan, high = kNan;
  [[nodiscard]] double difference() const { return high - low; }
  [[nodiscard]] double ratio() const { return low / high; }  // 0 / 0 is NaN
};

Spread SpreadOf(std::span<const GroupRates> groups, double GroupRates::* rate) {
  Spread spread{groups[0].*rate, groups[0].*rate};
  for (const GroupRates& group : groups) {
    if (std::isnan(group.*rate)) return {};
    spread.low = std::min(spread.low, group.*rate);
    spread.high = std::max(spread.high, group.*rate);
  }
  return spread;
}

/// std::max and std::min drop a NaN that comes second.
double OrNan(double a, double b, double chosen) {
  return std::isnan(a) || std::isnan(b) ? kNan : chosen;
}

}  // namespace

std::vector<GroupRates> RatesByGroup(std::span<const std::uint8_t> predicted,
                                     std::span<const std::uint8_t> actual,
                                     std::span<const std::int64_t> groups) {
  MUSTER_CHECK(predicted.size() == groups.size() && actual.size() == groups.size(),
               "a row has a prediction, a label and a group");
  struct Counts {
    std::int64_t rows = 0, positives = 0, selected = 0, right = 0;
  };
  std::map<std::int64_t, Counts> counts;
  for (std::size_t row = 0; row < groups.size(); ++row) {
    Counts& of = counts[groups[row]];
    ++of.rows;
    of.positives += actual[row];
    of.selected += predicted[row];
    of.right += actual[row] & predicted[row];
  }
  const auto share = [](std::int64_t part, std::int64_t whole) {
    return whole == 0 ? kNan : static_cast<double>(part) / static_cast<double>(whole);
  };
  std::vector<GroupRates> rates;
  rates.reserve(counts.size());
  for (const auto& [group, of] : counts) {
    rates.push_back({group, of.rows, of.positives, share(of.selected, of.rows),
                     share(of.right, of.positives),
                     share(of.selected - of.right, of.rows - of.positives)});
  }
  return rates;
}

double Fairness(FairnessMeasure measure, std::span<const GroupRates> groups) {
  if (groups.size() < 2) return kNan;
  const Spread selected = SpreadOf(groups, &GroupRates::selected);
  const Spread found = SpreadOf(groups, &GroupRates::true_positive_rate);
  const Spread mistaken = SpreadOf(groups, &GroupRates::false_positive_rate);
  switch (measure) {
    case FairnessMeasure::kDemographicParityDifference:
      return selected.difference();
    case FairnessMeasure::kDemographicParityRatio:
      return selected.ratio();
    case FairnessMeasure::kEqualizedOddsDifference: {
      const double a = found.difference(), b = mistaken.difference();
      return OrNan(a, b, std::max(a, b));
    }
    case FairnessMeasure::kEqualizedOddsRatio: {
      const double a = found.ratio(), b = mistaken.ratio();
      return OrNan(a, b, std::min(a, b));
    }
    case FairnessMeasure::kEqualOpportunityDifference:
      return found.difference();
  }
  return kNan;
}

}  // namespace muster::registry::statistics
