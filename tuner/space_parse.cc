// The space as the sweep file says it -> Space, or a sentence that names the parameter and the key.
#include <algorithm>
#include <cmath>
#include <set>

#include "tuner/json.h"
#include "tuner/space.h"

namespace muster::tuner {
namespace {

using boost::json::object;
using boost::json::value;

constexpr double kFloatMax = 1e300;  ///< so that sums and differences of bounds are finite

struct Draft {
  Parameter parameter;
  std::vector<std::pair<std::string, std::vector<ParamValue>>> when;
};

Result<std::pair<value, value>> Bounds(const value& json, const std::string& where) {
  if (!json.is_array() || json.get_array().size() != 2) {
    return Invalid("at " + where + ": wanted [low, high], got " + Text(json));
  }
  return std::pair(json.get_array()[0], json.get_array()[1]);
}

/// `step` or `q`, which makes the bounds multiples of it; then the upper bound is put on a step.
Status ParseSteps(const object& json, const std::string& where, NumericDomain& domain) {
  const auto read = [&](const char* key) -> Result<double> {
    const std::string here = where + "." + key;
    double step = 0;
    if (domain.integer) {
      MUSTER_ASSIGN_OR_RETURN(const auto whole, Integer(json.at(key), here));
      step = static_cast<double>(whole);
    } else {
      MUSTER_ASSIGN_OR_RETURN(step, Number(json.at(key), here));
    }
    if (step >= (domain.integer ? 1.0 : 1e-300)) return step;
    return Invalid("at " + here + ": wanted " + (domain.integer ? "1 or more" : "more than 0") +
                   ", got " + Text(json.at(key)));
  };
  domain.step = domain.integer ? 1 : 0;
  if (json.contains("step") && json.contains("q")) {
    return Invalid("at " + where +
                   ".q: wanted step (from the lower bound on) or q (multiples), not both");
  }
  if (json.contains("step")) {
    MUSTER_ASSIGN_OR_RETURN(domain.step, read("step"));
  } else if (json.contains("q")) {
    MUSTER_ASSIGN_OR_RETURN(domain.step, read("q"));
    const double low = std::ceil(domain.low / domain.step - 1e-9) * domain.step;
    if (low > domain.high || (domain.log && low <= 0)) {
      return Invalid("at " + where + ".q: no multiple of " + Text(json.at("q")) +
                     (domain.log ? " above 0" : "") + " lies within the bounds");
    }
    domain.low = low;
  }
  if (domain.step == 0) return Ok();
  // A float's bound may miss its step by a rounding: 0.5 / 0.1.
  const double steps =
      std::floor((domain.high - domain.low) / domain.step + (domain.integer ? 0 : 1e-9));
  if (steps > 2.0 * static_cast<double>(kIntegerMax)) {
    return Invalid("at " + where + ".step: wanted at most 2^54 steps");
  }
  domain.high = domain.low + steps * domain.step;
  return Ok();
}

Result<Domain> ParseNumber(const object& json, const std::string& where, bool integer) {
  NumericDomain domain{.integer = integer};
  const std::string at = where + (integer ? ".int" : ".float");
  const auto& range = json.at(integer ? "int" : "float");
  MUSTER_ASSIGN_OR_RETURN(const auto bounds, Bounds(range, at));
  const auto bound = [&](const value& json, const char* index) -> Result<double> {
    if (!integer) return Number(json, at + index);
    MUSTER_ASSIGN_OR_RETURN(const auto whole, Integer(json, at + index));
    return static_cast<double>(whole);
  };
  MUSTER_ASSIGN_OR_RETURN(domain.low, bound(bounds.first, "[0]"));
  MUSTER_ASSIGN_OR_RETURN(domain.high, bound(bounds.second, "[1]"));
  MUSTER_ASSIGN_OR_RETURN(domain.log, Flag(json, "log", where));
  if (integer ? domain.low > domain.high : !(domain.low < domain.high)) {
    return Invalid("at " + at + ": low must " + (integer ? "not be above" : "be below") +
                   " high, got " + Text(range));
  }
  if (domain.low < -kFloatMax || domain.high > kFloatMax) {
    return Invalid("at " + at + ": wanted bounds within +-1e300, got " + Text(range));
  }
  if (domain.log && domain.low <= 0) {
    return Invalid("at " + at + "[0]: a log scale needs low above 0, got " + Text(bounds.first));
  }
  MUSTER_RETURN_IF_ERROR(ParseSteps(json, where, domain));
  return Domain(domain);
}

Result<Domain> ParseChoice(const object& json, const std::string& where) {
  const auto& list = json.at("choice");
  if (!list.is_array() || list.get_array().empty()) {
    return Invalid("at " + where + ".choice: wanted a list of values, got " + Text(list));
  }
  for (const char* key : {"log", "step", "q"}) {
    if (json.contains(key)) {
      return Invalid("at " + where + "." + key + ": a choice has none; leave it out");
    }
  }
  ChoiceDomain domain;
  for (std::size_t i = 0; i < list.get_array().size(); ++i) {
    const std::string here = where + ".choice[" + std::to_string(i) + "]";
    MUSTER_ASSIGN_OR_RETURN(auto entry, Scalar(list.get_array()[i], here));
    if (std::find(domain.values.begin(), domain.values.end(), entry) != domain.values.end()) {
      return Invalid("at " + here + ": " + Text(list.get_array()[i]) + " is there twice");
    }
    domain.values.push_back(std::move(entry));
  }
  return Domain(std::move(domain));
}

Result<Draft> ParseParameter(std::string name, const value& json) {
  if (!json.is_object()) {
    return Invalid("at " + name + ": wanted {float: [low, high]}, {int: [low, high]} or " +
                   "{choice: [...]}, got " + Text(json));
  }
  const auto& keys = json.get_object();
  MUSTER_RETURN_IF_ERROR(
      OnlyKeys(keys, {"float", "int", "choice", "log", "step", "q", "when"}, name));
  Draft draft{{name, NumericDomain{}, {}}, {}};
  const int kinds = int{keys.contains("float")} + keys.contains("int") + keys.contains("choice");
  if (kinds != 1) return Invalid("at " + name + ": wanted exactly one of float, int, choice");
  auto domain = keys.contains("choice") ? ParseChoice(keys, name)
                                        : ParseNumber(keys, name, keys.contains("int"));
  if (!domain.ok()) return domain.error();
  draft.parameter.domain = std::move(domain).value();
  const auto* when = keys.if_contains("when");
  if (when == nullptr) return draft;
  if (!when->is_object()) return Invalid("at " + name + ".when: wanted {parameter: value}");
  for (const auto& condition : when->get_object()) {
    const std::string where = name + ".when." + std::string(condition.key());
    std::vector<ParamValue> values;
    if (condition.value().is_array()) {
      if (condition.value().get_array().empty()) {
        return Invalid("at " + where + ": wanted at least one value");
      }
      for (const auto& entry : condition.value().get_array()) {
        MUSTER_ASSIGN_OR_RETURN(auto scalar, Scalar(entry, where));
        values.push_back(std::move(scalar));
      }
    } else {
      MUSTER_ASSIGN_OR_RETURN(auto scalar, Scalar(condition.value(), where));
      values.push_back(std::move(scalar));
    }
    draft.when.emplace_back(std::string(condition.key()), std::move(values));
  }
  return draft;
}

/// A parent's choices must hold what its child waits for, or the child could never be active.
Result<Condition> MakeCondition(const Parameter& child, const Parameter& parent, std::size_t at,
                                const std::vector<ParamValue>& values) {
  const auto* choice = std::get_if<ChoiceDomain>(&parent.domain);
  if (choice == nullptr) {
    return Invalid("at " + child.name + ".when." + parent.name + ": wanted a choice parameter");
  }
  Condition condition{.parent = at};
  for (const auto& value : values) {
    const auto found = std::ranges::find(choice->values, value);
    if (found == choice->values.end()) {
      return Invalid("at " + child.name + ".when." + parent.name + ": " + ParamText(value) +
                     " is not one of its choices");
    }
    condition.choices.push_back(static_cast<std::size_t>(found - choice->values.begin()));
  }
  return condition;
}

/// Parents first. Each round takes what has all its parents; a round that takes none is a cycle.
Result<std::vector<Parameter>> Order(std::vector<Draft> drafts) {
  std::vector<Parameter> ordered;
  std::set<std::string> known;
  for (const auto& draft : drafts) known.insert(draft.parameter.name);
  const auto index = [&](const std::string& name) -> std::size_t {
    for (std::size_t i = 0; i < ordered.size(); ++i) {
      if (ordered[i].name == name) return i;
    }
    return ordered.size();
  };
  while (!drafts.empty()) {
    const std::size_t before = drafts.size();
    for (auto draft = drafts.begin(); draft != drafts.end();) {
      bool ready = true;
      for (const auto& [parent, values] : draft->when) {
        if (!known.contains(parent)) {
          return Invalid("at " + draft->parameter.name + ".when: there is no parameter '" + parent +
                         "'");
        }
        const std::size_t at = index(parent);
        ready = ready && at < ordered.size();
        if (!ready) break;
        MUSTER_ASSIGN_OR_RETURN(auto condition,
                                MakeCondition(draft->parameter, ordered[at], at, values));
        draft->parameter.when.push_back(std::move(condition));
      }
      if (ready) {
        ordered.push_back(std::move(draft->parameter));
        draft = drafts.erase(draft);
      } else {
        draft->parameter.when.clear();
        ++draft;
      }
    }
    if (drafts.size() == before) {
      return Invalid("at " + drafts[0].parameter.name + ".when: the conditions form a circle");
    }
  }
  return ordered;
}

/// What makes it impossible to keep the first `count` constraints, when those before the last can be kept.
Error Impossible(const Space& space, std::size_t count) {
  const bool listed = !std::isinf(space.cardinality()) && space.cardinality() == 0;
  return Invalid("at constraints[" + std::to_string(count - 1) +
                 "]: " + space.constraints().back().text() +
                 (count > 1 ? ", with those before it," : "") + " can never hold: " +
                 (listed ? std::string("no point of the space keeps it")
                         : "none of " + std::to_string(kConstraintDraws) + " draws keeps it"));
}

Result<std::vector<Constraint>> ParseConstraints(const std::vector<std::string>& texts,
                                                 const std::vector<Parameter>& parameters) {
  std::vector<Constraint> constraints;
  for (const std::string& text : texts) {
    const std::string where = "at constraints[" + std::to_string(constraints.size()) + "]";
    auto constraint = Constraint::Parse(text, parameters);
    if (!constraint.ok()) return constraint.error().With(where);
    if (constraint->NeverHolds(parameters)) {
      return Invalid(where + ": " + text +
                     " can never hold: no values within the bounds make it true");
    }
    constraints.push_back(std::move(constraint).value());
  }
  return constraints;
}

}  // namespace

Result<std::shared_ptr<const Space>> ParseSpace(const object& json,
                                                const std::vector<std::string>& constraints) {
  std::vector<Draft> drafts;
  for (const auto& entry : json) {
    MUSTER_ASSIGN_OR_RETURN(auto draft, ParseParameter(std::string(entry.key()), entry.value()));
    drafts.push_back(std::move(draft));
  }
  MUSTER_ASSIGN_OR_RETURN(const auto ordered, Order(std::move(drafts)));
  MUSTER_ASSIGN_OR_RETURN(const auto parsed, ParseConstraints(constraints, ordered));
  auto space = std::make_shared<const Space>(ordered, parsed);
  if (parsed.empty() || !space->example().empty()) return space;
  for (std::size_t count = 1; count <= parsed.size(); ++count) {
    const Space first(ordered,
                      {parsed.begin(), parsed.begin() + static_cast<std::ptrdiff_t>(count)});
    if (first.example().empty()) return Impossible(first, count);
  }
  return Impossible(*space, parsed.size());
}

}  // namespace muster::tuner
