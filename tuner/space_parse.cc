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

Result<Domain> ParseFloat(const object& json, const std::string& where) {
  FloatDomain domain;
  MUSTER_ASSIGN_OR_RETURN(const auto bounds, Bounds(json.at("float"), where + ".float"));
  MUSTER_ASSIGN_OR_RETURN(domain.low, Number(bounds.first, where + ".float[0]"));
  MUSTER_ASSIGN_OR_RETURN(domain.high, Number(bounds.second, where + ".float[1]"));
  MUSTER_ASSIGN_OR_RETURN(domain.log, Flag(json, "log", where));
  if (!(domain.low < domain.high)) {
    return Invalid("at " + where + ".float: low must be below high, got " + Text(json.at("float")));
  }
  if (domain.low < -kFloatMax || domain.high > kFloatMax) {
    return Invalid("at " + where + ".float: wanted bounds within +-1e300, got " +
                   Text(json.at("float")));
  }
  if (domain.log && domain.low <= 0) {
    return Invalid("at " + where + ".float[0]: a log scale needs low above 0, got " +
                   Text(bounds.first));
  }
  if (json.contains("step")) {
    return Invalid("at " + where + ".step: only an int has a step; leave it out");
  }
  return Domain(domain);
}

Result<Domain> ParseInt(const object& json, const std::string& where) {
  IntDomain domain;
  MUSTER_ASSIGN_OR_RETURN(const auto bounds, Bounds(json.at("int"), where + ".int"));
  MUSTER_ASSIGN_OR_RETURN(domain.low, Integer(bounds.first, where + ".int[0]"));
  MUSTER_ASSIGN_OR_RETURN(domain.high, Integer(bounds.second, where + ".int[1]"));
  MUSTER_ASSIGN_OR_RETURN(domain.log, Flag(json, "log", where));
  if (const auto* step = json.if_contains("step")) {
    MUSTER_ASSIGN_OR_RETURN(domain.step, Integer(*step, where + ".step"));
    if (domain.step < 1) return Invalid("at " + where + ".step: wanted 1 or more");
  }
  if (domain.low > domain.high) {
    return Invalid("at " + where + ".int: low must not be above high, got " + Text(json.at("int")));
  }
  if (domain.log && (domain.low < 1 || domain.step != 1)) {
    return Invalid("at " + where + ".log: a log scale needs low of 1 or more and no step");
  }
  domain.high = domain.low + (domain.high - domain.low) / domain.step * domain.step;
  return Domain(domain);
}

Result<Domain> ParseChoice(const object& json, const std::string& where) {
  const auto& list = json.at("choice");
  if (!list.is_array() || list.get_array().empty()) {
    return Invalid("at " + where + ".choice: wanted a list of values, got " + Text(list));
  }
  for (const char* key : {"log", "step"}) {
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
  MUSTER_RETURN_IF_ERROR(OnlyKeys(keys, {"float", "int", "choice", "log", "step", "when"}, name));
  Draft draft{{name, FloatDomain{}, {}}, {}};
  const int kinds = int{keys.contains("float")} + keys.contains("int") + keys.contains("choice");
  if (kinds != 1) return Invalid("at " + name + ": wanted exactly one of float, int, choice");
  auto domain = keys.contains("float") ? ParseFloat(keys, name)
                : keys.contains("int") ? ParseInt(keys, name)
                                       : ParseChoice(keys, name);
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
Status CheckCondition(const Parameter& child, const Parameter& parent,
                      const std::vector<ParamValue>& values) {
  const auto* choice = std::get_if<ChoiceDomain>(&parent.domain);
  if (choice == nullptr) {
    return Invalid("at " + child.name + ".when." + parent.name + ": wanted a choice parameter");
  }
  for (const auto& value : values) {
    if (std::find(choice->values.begin(), choice->values.end(), value) == choice->values.end()) {
      return Invalid("at " + child.name + ".when." + parent.name + ": " + ParamText(value) +
                     " is not one of its choices");
    }
  }
  return Ok();
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
        MUSTER_RETURN_IF_ERROR(CheckCondition(draft->parameter, ordered[at], values));
        draft->parameter.when.push_back({at, values});
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

}  // namespace

Result<std::shared_ptr<const Space>> ParseSpace(const object& json) {
  std::vector<Draft> drafts;
  for (const auto& entry : json) {
    MUSTER_ASSIGN_OR_RETURN(auto draft, ParseParameter(std::string(entry.key()), entry.value()));
    drafts.push_back(std::move(draft));
  }
  MUSTER_ASSIGN_OR_RETURN(auto ordered, Order(std::move(drafts)));
  return std::make_shared<const Space>(std::move(ordered));
}

}  // namespace muster::tuner
