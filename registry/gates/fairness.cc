#include "registry/statistics/fairness.h"

#include <array>
#include <cmath>

#include "registry/gates/kinds.h"
#include "registry/statistics/bootstrap.h"

namespace muster::registry::gates {
namespace {

using statistics::FairnessMeasure;

struct Named {
  std::string_view name;
  FairnessMeasure measure;
  bool of_labels = false;  ///< needs positives and negatives of each group
};
constexpr double kFourFifths = 0.8;
constexpr std::array kMeasures{
    Named{"demographic_parity_difference", FairnessMeasure::kDemographicParityDifference},
    Named{"demographic_parity_ratio", FairnessMeasure::kDemographicParityRatio},
    Named{"four_fifths", FairnessMeasure::kDemographicParityRatio},
    Named{"equalized_odds_difference", FairnessMeasure::kEqualizedOddsDifference, true},
    Named{"equalized_odds_ratio", FairnessMeasure::kEqualizedOddsRatio, true},
    Named{"equal_opportunity_difference", FairnessMeasure::kEqualOpportunityDifference, true}};

const Named* Find(std::string_view name) {
  for (const Named& named : kMeasures) {
    if (named.name == name) return &named;
  }
  return nullptr;
}

/// The gate with the bound that its measure brings along.
wire::GateSpec Bounded(const wire::GateSpec& gate) {
  wire::GateSpec bounded = gate;
  if (gate.fairness->measure == "four_fifths") bounded.at_least = kFourFifths;
  return bounded;
}

/// Each row's decision and label as favourable or not, and its group.
struct Outcomes {
  std::vector<std::uint8_t> predicted, actual;
  std::vector<std::int64_t> groups;
};

double MeasureOf(FairnessMeasure measure, const Outcomes& all, std::span<const std::int64_t> rows) {
  Outcomes some;
  for (const std::int64_t row : rows) {
    const auto at = static_cast<std::size_t>(row);
    some.predicted.push_back(all.predicted[at]);
    some.actual.push_back(all.actual[at]);
    some.groups.push_back(all.groups[at]);
  }
  return statistics::Fairness(measure,
                              statistics::RatesByGroup(some.predicted, some.actual, some.groups));
}

/// Rows that a resample keeps apart, so that no group, or no label of a group, is ever empty.
std::vector<std::vector<std::int64_t>> StrataOf(const std::vector<Group>& groups,
                                                const Outcomes& outcomes, bool of_labels) {
  std::vector<std::vector<std::int64_t>> strata;
  for (const Group& group : groups) {
    if (!of_labels) {
      strata.push_back(group.rows);
      continue;
    }
    std::vector<std::int64_t> positive, negative;
    for (const std::int64_t row : group.rows) {
      (outcomes.actual[static_cast<std::size_t>(row)] != 0 ? positive : negative).push_back(row);
    }
    strata.push_back(std::move(positive));
    strata.push_back(std::move(negative));
  }
  return strata;
}

/// Why the groups say nothing.
std::optional<GateVerdict> Lacking(const std::string& segment, bool of_labels,
                                   const std::vector<statistics::GroupRates>& rates) {
  if (rates.size() < 2) {
    return TooFew("groups of " + segment, static_cast<std::int64_t>(rates.size()), 2);
  }
  for (const auto& group : rates) {
    const std::string named = segment + " " + std::to_string(group.group);
    if (group.rows < kLeastRows) return TooFew("rows of " + named, group.rows, kLeastRows);
    if (!of_labels) continue;
    const bool positive = group.positives < group.negatives();
    const std::int64_t fewer = positive ? group.positives : group.negatives();
    if (fewer < kLeastOfLabel) {
      return TooFew((positive ? "positives of " : "negatives of ") + named, fewer, kLeastOfLabel);
    }
  }
  return std::nullopt;
}

std::string RatesText(const std::vector<statistics::GroupRates>& rates) {
  constexpr std::size_t kShown = 6;
  std::string text;
  for (std::size_t i = 0; i < rates.size() && i < kShown; ++i) {
    text += (i == 0 ? "" : "; ") + std::to_string(rates[i].group) + ": selected " +
            Number(rates[i].selected) + ", true positives " + Number(rates[i].true_positive_rate) +
            ", false positives " + Number(rates[i].false_positive_rate) + " of " +
            std::to_string(rates[i].rows) + " rows";
  }
  return text + (rates.size() > kShown ? "; ..." : "");
}

Result<GateVerdict> Judge(const wire::GateSpec& gate, const Context& context) {
  const Named& named = *Find(gate.fairness->measure);
  const std::string& segment = gate.fairness->segment;
  const auto groups = GroupsOf(context.evaluation(), segment);
  if (!groups.ok()) return Fails(groups.error().message);
  const auto decisions = DecisionsOf(context.evidence.logits, context.evaluation());
  if (!decisions.ok()) return Fails(decisions.error().message);
  if (gate.fairness->positive >= decisions->classes) {
    return Fails("positive is class " + std::to_string(gate.fairness->positive) +
                 ", and there are " + std::to_string(decisions->classes));
  }
  Outcomes outcomes;
  outcomes.groups = context.evaluation().segments.at(segment);
  for (std::size_t row = 0; row < context.all_rows.size(); ++row) {
    outcomes.predicted.push_back(decisions->chosen[row] == gate.fairness->positive ? 1 : 0);
    outcomes.actual.push_back(context.evaluation().labels[row] == gate.fairness->positive ? 1 : 0);
  }
  const auto rates = statistics::RatesByGroup(outcomes.predicted, outcomes.actual, outcomes.groups);
  if (auto lacking = Lacking(segment, named.of_labels, rates)) return *std::move(lacking);
  GateVerdict verdict;
  verdict.seen = statistics::Fairness(named.measure, rates);
  verdict.rows = context.rows();
  verdict.interval = statistics::Bootstrap(
      StrataOf(*groups, outcomes, named.of_labels),
      [&](auto drawn) { return MeasureOf(named.measure, outcomes, drawn); },
      gate.confidence.value_or(kUsualConfidence), context.seed, 10);
  verdict.method = "between groups, as Fairlearn; percentile bootstrap within each group" +
                   std::string(named.of_labels ? " and label" : "") + ", Philox";
  verdict.detail = std::string(named.name) + " of " + segment + " is " + Number(verdict.seen) +
                   ", " + IntervalText(*verdict.interval) + " (" + RatesText(rates) + ")";
  ApplyBounds(Bounded(gate), verdict);
  return verdict;
}

Status Check(const wire::GateSpec& gate) {
  const wire::FairnessGate& fairness = *gate.fairness;
  if (Find(fairness.measure) == nullptr) {
    std::string known;
    for (const Named& named : kMeasures) (known += known.empty() ? "" : ", ") += named.name;
    return Invalid("fairness.measure: wanted one of " + known + ", got '" + fairness.measure + "'");
  }
  if (fairness.segment.empty()) {
    return Invalid(
        "fairness.segment: missing; wanted the column that says which group a row is of");
  }
  MUSTER_RETURN_IF_ERROR(CheckRange("fairness.positive", fairness.positive, 0, 1e6));
  if (fairness.measure == "four_fifths" && (gate.at_least || gate.at_most)) {
    return Invalid(
        "fairness.measure: four_fifths is a bound itself, 0.8; for another take "
        "demographic_parity_ratio");
  }
  return CheckBounds(Bounded(gate));
}

}  // namespace

const Kind kFairness{.name = "fairness",
                     .keys = " fairness at_least at_most confidence ",
                     .is = [](const wire::GateSpec& gate) { return gate.fairness.has_value(); },
                     .check = Check,
                     .title =
                         [](const wire::GateSpec& gate) {
                           return gate.fairness->measure + " of " + gate.fairness->segment +
                                  " for class " + std::to_string(gate.fairness->positive) +
                                  BoundText(Bounded(gate));
                         },
                     .judge = Judge};

}  // namespace muster::registry::gates
