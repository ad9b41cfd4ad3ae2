#include <algorithm>

#include "registry/gates/kinds.h"
#include "registry/statistics/hypothesis.h"

// What the gate asks for is shown in every group of a column. All groups must pass, so each alone could be tested at
// the full level; Holm's adjustment makes the verdict's list of groups hold as a whole, and is the stricter.

namespace muster::registry::gates {
namespace {

/// What a group must be beyond, and on which side.
struct Side {
  double bound = 0;
  bool above = true;
};

Side SideOf(const wire::GateSpec& gate) {
  if (!gate.better_than.empty()) return {-*gate.margin, true};
  return gate.at_least ? Side{*gate.at_least, true} : Side{*gate.at_most, false};
}

/// Of the group that is worst: the largest adjusted p, then the value nearest to the wrong side.
std::size_t WorstOf(const std::vector<RowTest>& tests, const std::vector<double>& adjusted,
                    const Side& side) {
  std::size_t worst = 0;
  const auto badness = [&](std::size_t i) {
    const double beyond = side.above ? tests[i].value - side.bound : side.bound - tests[i].value;
    return std::pair(beyond > 0 ? adjusted[i] : 1 + adjusted[i], -beyond);
  };
  for (std::size_t i = 1; i < tests.size(); ++i) {
    if (badness(i) > badness(worst)) worst = i;
  }
  return worst;
}

Result<GateVerdict> Judge(const wire::GateSpec& gate, const Context& context) {
  const bool paired = !gate.better_than.empty();
  if (paired) {
    if (auto none = NoIncumbent(gate, context)) return *std::move(none);
  }
  const auto groups = GroupsOf(context.evaluation(), *gate.per_segment);
  if (!groups.ok()) return Fails(groups.error().message);
  const Side side = SideOf(gate);
  const std::vector<float>* other = paired ? &*context.evidence.incumbent->logits : nullptr;
  Question question = context.Ask(gate);
  const double level = 1 - question.confidence;
  std::vector<RowTest> tests;
  std::vector<double> p;
  for (const Group& group : *groups) {
    const auto rows = static_cast<std::int64_t>(group.rows.size());
    if (rows < kLeastRows) {
      return TooFew("rows of " + *gate.per_segment + " " + std::to_string(group.value), rows,
                    kLeastRows);
    }
    question.rows = group.rows;
    MUSTER_ASSIGN_OR_RETURN(const auto test,
                            TestRows(question, context.evidence.logits, other, side.bound));
    if (!test) {
      return Fails(gate.metric +
                   " is no mean over rows, which a test by segment wants; loss and "
                   "accuracy are");
    }
    tests.push_back(*test);
    p.push_back(test->p);
  }
  const auto adjusted = statistics::HolmAdjusted(p);
  const std::size_t worst = WorstOf(tests, adjusted, side);
  std::size_t shown = 0;
  for (std::size_t i = 0; i < tests.size(); ++i) {
    const bool beyond = side.above ? tests[i].value > side.bound : tests[i].value < side.bound;
    shown += beyond && adjusted[i] <= level ? 1 : 0;
  }
  GateVerdict verdict;
  verdict.passed = shown == tests.size();
  verdict.seen = tests[worst].value;
  verdict.wanted = side.bound;
  verdict.rows = context.rows();
  // Of all groups together, after Bonferroni.
  question.rows = (*groups)[worst].rows;
  question.confidence = 1 - level / static_cast<double>(tests.size());
  if (paired) {
    MUSTER_ASSIGN_OR_RETURN(const auto found, Compare(question, context.evidence.logits, *other));
    verdict.interval = found.interval;
    verdict.method = found.method;
  } else {
    MUSTER_ASSIGN_OR_RETURN(const auto found, EstimateFigure(question, context.evidence.logits));
    verdict.interval = found.interval;
    verdict.method = found.method;
  }
  verdict.method =
      "tests by group, Holm's adjustment; interval of the worst group: " + verdict.method;
  verdict.detail =
      "shown in " + std::to_string(shown) + " of " + std::to_string(tests.size()) + " groups of " +
      *gate.per_segment + "; worst is " + *gate.per_segment + " " +
      std::to_string((*groups)[worst].value) + ", " + (paired ? "gain in " : "") + gate.metric +
      " " + Number(verdict.seen) + ", " + IntervalText(*verdict.interval) + ", over " +
      std::to_string(question.rows.size()) + " rows, adjusted p " + Number(adjusted[worst]);
  return verdict;
}

}  // namespace

const Kind kSegments{
    .name = "segments",
    .keys = " metric at_least at_most better_than confidence margin per_segment ",
    .is = [](const wire::GateSpec& gate) { return gate.per_segment.has_value(); },
    .check = [](const wire::GateSpec& gate) -> Status {
      if (gate.per_segment->empty()) return Invalid("per_segment: wanted the name of a column");
      if (gate.better_than.empty()) return CheckBounds(gate, true);
      if (gate.at_least || gate.at_most)
        return Invalid("better_than: wanted it or a bound, not both");
      if (!gate.margin) {
        return Invalid(
            "margin: missing; few models are better in every group, so say how much "
            "worse is still good enough");
      }
      return Ok();
    },
    .title =
        [](const wire::GateSpec& gate) {
          wire::GateSpec plain = gate;
          plain.confidence = gate.confidence.value_or(kUsualConfidence);
          return (gate.better_than.empty() ? kThreshold : kBetterThan).title(plain) +
                 ", in every " + *gate.per_segment;
        },
    .judge = Judge};

}  // namespace muster::registry::gates
