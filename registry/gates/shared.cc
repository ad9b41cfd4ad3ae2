#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "registry/gates/kinds.h"
#include "registry/statistics/calibration.h"

namespace muster::registry::gates {

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string IntervalText(const statistics::Interval& interval) {
  return "[" + Number(interval.low) + ", " + Number(interval.high) + "] at " +
         Number(interval.confidence);
}

std::string ConfidenceText(const wire::GateSpec& gate) {
  return gate.confidence ? ", confidence " + Number(*gate.confidence) : "";
}

std::string BoundText(const wire::GateSpec& gate) {
  std::string text;
  if (gate.at_least) text += " >= " + Number(*gate.at_least);
  if (gate.at_most) text += (gate.at_least ? " and <= " : " <= ") + Number(*gate.at_most);
  return text + ConfidenceText(gate);
}

Status CheckRange(std::string_view key, std::optional<double> value, double low, double high) {
  if (!value || (*value >= low && *value <= high)) return Ok();
  return Invalid(std::string(key) + ": wanted a number from " + Number(low) + " to " +
                 Number(high) + ", got " + Number(*value));
}

Status CheckBounds(const wire::GateSpec& gate, bool only_one) {
  if (!gate.at_least && !gate.at_most) return Invalid("wanted a bound, at_least or at_most");
  if (only_one && gate.at_least && gate.at_most) {
    return Invalid("at_most: wanted one bound, and there is at_least");
  }
  for (const auto& [key, bound] :
       {std::pair("at_least", gate.at_least), std::pair("at_most", gate.at_most)}) {
    if (bound && !std::isfinite(*bound))
      return Invalid(std::string(key) + ": wanted a finite number, got " + Number(*bound));
  }
  return Ok();
}

void ApplyBounds(const wire::GateSpec& gate, GateVerdict& verdict) {
  const bool proven = gate.confidence.has_value() && verdict.interval.has_value();
  const double low = proven ? verdict.interval->low : verdict.seen;
  const double high = proven ? verdict.interval->high : verdict.seen;
  const bool high_enough = !gate.at_least || low >= *gate.at_least;
  const bool low_enough = !gate.at_most || high <= *gate.at_most;
  verdict.passed = high_enough && low_enough && !std::isnan(verdict.seen);
  verdict.wanted =
      gate.at_least && (!high_enough || !gate.at_most) ? *gate.at_least : *gate.at_most;
}

void ApplyAtMost(const wire::GateSpec& gate, double bound, GateVerdict& verdict) {
  ApplyBounds({.at_least = {}, .at_most = bound, .confidence = gate.confidence}, verdict);
}

GateVerdict Fails(std::string detail) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  GateVerdict verdict;
  verdict.seen = verdict.wanted = kNan;
  verdict.detail = std::move(detail);
  return verdict;
}

GateVerdict TooFew(std::string_view what, std::int64_t seen, std::int64_t wanted) {
  GateVerdict verdict =
      Fails("too few " + std::string(what) + ": " + std::to_string(seen) +
            ", and with fewer than " + std::to_string(wanted) + " the test says nothing");
  verdict.rows = seen;
  return verdict;
}

std::string IncumbentText(const wire::GateSpec& gate, const Context& context) {
  return gate.better_than + " (version " + std::to_string(context.evidence.incumbent->version) +
         ")";
}

std::optional<GateVerdict> NoIncumbent(const wire::GateSpec& gate, const Context& context) {
  if (!context.evidence.incumbent) {
    GateVerdict verdict = Fails("there is no " + gate.better_than + " yet");
    verdict.passed = true;
    return verdict;
  }
  const auto& outputs = context.evidence.incumbent->logits;
  if (outputs.ok()) return std::nullopt;
  return Fails(IncumbentText(gate, context) +
               " could not be judged on these rows: " + outputs.error().message);
}

Result<std::vector<Group>> GroupsOf(const Evaluation& evaluation, const std::string& segment) {
  const auto found = evaluation.segments.find(segment);
  if (found == evaluation.segments.end()) {
    std::string known;
    for (const auto& [name, values] : evaluation.segments)
      known += (known.empty() ? "" : ", ") + name;
    return NotFound(
        "the held-out rows have no segment '" + segment + "'; they have " +
        (known.empty() ? "none: name its column in the sweep's model.segments" : known));
  }
  std::map<std::int64_t, std::vector<std::int64_t>> rows;
  for (std::size_t row = 0; row < found->second.size(); ++row) {
    rows[found->second[row]].push_back(static_cast<std::int64_t>(row));
  }
  std::vector<Group> groups;
  groups.reserve(rows.size());
  for (auto& [value, of] : rows) groups.push_back({value, std::move(of)});
  return groups;
}

Result<Decisions> DecisionsOf(const std::vector<float>& outputs, const Evaluation& evaluation) {
  if (evaluation.task != Task::kClasses && evaluation.task != Task::kBinary) {
    return Unsupported("rows of the task " + std::string(TaskName(evaluation.task)) +
                       " have no decision each; wanted classes or binary");
  }
  const auto rows = static_cast<std::size_t>(evaluation.rows());
  Decisions decisions;
  std::vector<float> logits = outputs;
  if (evaluation.width() == 1) {  // of the positive class; that of the other is 0
    logits.assign(2 * rows, 0);
    for (std::size_t row = 0; row < rows; ++row) logits[2 * row + 1] = outputs[row];
  }
  decisions.classes = static_cast<std::int64_t>(logits.size() / rows);
  decisions.probabilities = statistics::Softmax(logits, decisions.classes);
  for (std::size_t row = 0; row < rows; ++row) {
    const auto first = logits.begin() + static_cast<std::ptrdiff_t>(row) * decisions.classes;
    const bool binary = evaluation.task == Task::kBinary;
    decisions.chosen.push_back(
        binary ? (decisions.probabilities[2 * row + 1] > evaluation.threshold ? 1 : 0)
               : std::max_element(first, first + decisions.classes) - first);
  }
  return decisions;
}

}  // namespace muster::registry::gates
