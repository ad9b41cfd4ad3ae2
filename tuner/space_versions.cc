// Whether a space may take another's place while a sweep runs.
#include <algorithm>
#include <cmath>

#include "tuner/space.h"

namespace muster::tuner {
namespace {

const Parameter* Find(const Space& space, const std::string& name) {
  const auto found = std::ranges::find(space.parameters(), name, &Parameter::name);
  return found == space.parameters().end() ? nullptr : &*found;
}

bool IsMultiple(double x, double step) {
  const double steps = x / step;
  return std::abs(steps - std::round(steps)) < 1e-9 * std::max(1.0, std::abs(steps));
}

Status WidensNumber(const NumericDomain& older, const NumericDomain& newer) {
  if (older.integer != newer.integer) return Invalid("float and int may not change places");
  if (newer.low > older.low || newer.high < older.high) {
    return Invalid("wanted bounds that hold [" + ParamText(older.low) + ", " +
                   ParamText(older.high) + "], got [" + ParamText(newer.low) + ", " +
                   ParamText(newer.high) + "]");
  }
  if (newer.step == 0) return Ok();
  const bool kept = older.step > 0 && IsMultiple(older.step, newer.step) &&
                    IsMultiple(older.low - newer.low, newer.step);
  return kept ? Ok()
              : Status(Invalid("its values are no longer those of steps of " +
                               ParamText(newer.step) + " from " + ParamText(newer.low)));
}

Status WidensDomain(const Domain& older, const Domain& newer) {
  if (older.index() != newer.index()) return Invalid("numbers and choices may not change places");
  if (const auto* number = std::get_if<NumericDomain>(&older)) {
    return WidensNumber(*number, std::get<NumericDomain>(newer));
  }
  const auto& values = std::get<ChoiceDomain>(newer).values;
  for (const ParamValue& value : std::get<ChoiceDomain>(older).values) {
    if (std::ranges::find(values, value) == values.end()) {
      return Invalid("its choice " + ParamText(value) + " is gone");
    }
  }
  return Ok();
}

/// The parent's name, and those of its older values for which the condition holds, in the older order.
std::vector<std::pair<std::string, std::vector<ParamValue>>> Conditions(const Space& of,
                                                                        const Parameter& parameter,
                                                                        const Space& older) {
  std::vector<std::pair<std::string, std::vector<ParamValue>>> conditions;
  for (const Condition& condition : parameter.when) {
    const Parameter& parent = of.parameters()[condition.parent];
    const auto& values = std::get<ChoiceDomain>(parent.domain).values;
    const Parameter* before = Find(older, parent.name);
    std::vector<ParamValue> held;
    if (before != nullptr) {
      for (const ParamValue& value : std::get<ChoiceDomain>(before->domain).values) {
        const bool holds = std::ranges::any_of(
            condition.choices, [&](std::size_t choice) { return values[choice] == value; });
        if (holds) held.push_back(value);
      }
    }
    conditions.emplace_back(parent.name, std::move(held));
  }
  std::ranges::sort(conditions);
  return conditions;
}

/// One that older points may break: not an older one, and all it mentions is older.
bool Forbids(const Constraint& constraint, const Space& older, const Space& newer) {
  if (std::ranges::find(older.constraints(), constraint) != older.constraints().end()) return false;
  return std::ranges::all_of(constraint.mentions(), [&](std::size_t i) {
    return Find(older, newer.parameters()[i].name) != nullptr;
  });
}

}  // namespace

Status Widens(const Space& older, const Space& newer) {
  for (const Parameter& parameter : older.parameters()) {
    const std::string where = "at " + parameter.name;
    const Parameter* now = Find(newer, parameter.name);
    if (now == nullptr) return Invalid(where + ": it is gone");
    const Status domain = WidensDomain(parameter.domain, now->domain);
    if (!domain.ok()) return domain.error().With(where);
  }
  for (const Parameter& parameter : older.parameters()) {
    const Parameter& now = *Find(newer, parameter.name);
    if (Conditions(older, parameter, older) != Conditions(newer, now, older)) {
      return Invalid("at " + parameter.name + ".when: it is no longer active in the same points");
    }
  }
  for (const Constraint& constraint : newer.constraints()) {
    if (Forbids(constraint, older, newer)) {
      return Invalid("at constraints: " + constraint.text() + " may not hold of older points");
    }
  }
  return Ok();
}

}  // namespace muster::tuner
