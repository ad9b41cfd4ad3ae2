#include "tuner/ask_tell_fields.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tuner/json.h"

namespace muster::tuner {

using boost::json::object;
using boost::json::value;

namespace {

Result<double> Value(const value& json, const std::string& where) {
  if (json.is_string()) {
    if (json.get_string() == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (json.get_string() == "inf") return std::numeric_limits<double>::infinity();
    if (json.get_string() == "-inf") return -std::numeric_limits<double>::infinity();
  }
  if (json.is_number()) return Number(json, where);
  return Invalid("at " + where + R"(: wanted a number, "nan", "inf" or "-inf", got )" + Text(json));
}

Result<Goal> GoalOf(const value& json, const std::string& where) {
  if (json == "minimize") return Goal::kMinimize;
  if (json == "maximize") return Goal::kMaximize;
  return Invalid("at " + where + ": wanted minimize or maximize, got " + Text(json));
}

}  // namespace

value JsonOf(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  return number;
}

Result<std::vector<double>> Values(const object& json, const char* key) {
  std::vector<double> values;
  const auto* list = json.if_contains(key);
  if (list == nullptr) return values;
  if (!list->is_array()) {
    return Invalid(std::string("at ") + key + ": wanted a list of numbers, got " + Text(*list));
  }
  for (std::size_t i = 0; i < list->get_array().size(); ++i) {
    const std::string where = std::string(key) + "[" + std::to_string(i) + "]";
    MUSTER_ASSIGN_OR_RETURN(values.emplace_back(), Value(list->get_array()[i], where));
  }
  return values;
}

Result<std::vector<double>> Objectives(const object& request) {
  const auto* one = request.if_contains("value");
  if (one == nullptr) return Values(request, "values");
  if (request.contains("values")) return Invalid("at value: wanted value or values, not both");
  MUSTER_ASSIGN_OR_RETURN(const double number, Value(*one, "value"));
  return std::vector<double>{number};
}

Result<std::vector<std::string>> Texts(const object& json, const char* key) {
  std::vector<std::string> texts;
  const auto* list = json.if_contains(key);
  if (list == nullptr) return texts;
  if (list->is_array()) {
    for (const auto& entry : list->get_array()) {
      if (entry.is_string()) texts.emplace_back(entry.get_string());
    }
    if (texts.size() == list->get_array().size()) return texts;
  }
  return Invalid(std::string("at ") + key + ": wanted a list of texts, got " + Text(*list));
}

Result<std::int64_t> TrialOf(const object& request) {
  const auto* trial = request.if_contains("trial");
  if (trial == nullptr) return Invalid("at trial: missing; wanted the number that ask gave");
  return Integer(*trial, "trial");
}

Result<std::string> TextAt(const object& json, const char* key, std::string otherwise) {
  const auto* text = json.if_contains(key);
  if (text == nullptr) return otherwise;
  if (text->is_string()) return std::string(text->get_string());
  return Invalid(std::string("at ") + key + ": wanted a text, got " + Text(*text));
}

Result<object> ObjectAt(const object& json, const char* key) {
  const auto* found = json.if_contains(key);
  if (found == nullptr) return object{};
  if (found->is_object()) return found->get_object();
  return Invalid(std::string("at ") + key + ": wanted an object, got " + Text(*found));
}

Result<std::vector<Goal>> Goals(const object& request) {
  const auto* goal = request.if_contains("goal");
  if (goal == nullptr) return std::vector{Goal::kMinimize};
  if (!goal->is_array()) {
    MUSTER_ASSIGN_OR_RETURN(const Goal one, GoalOf(*goal, "goal"));
    return std::vector{one};
  }
  std::vector<Goal> goals;
  for (const auto& entry : goal->get_array()) {
    MUSTER_ASSIGN_OR_RETURN(goals.emplace_back(),
                            GoalOf(entry, "goal[" + std::to_string(goals.size()) + "]"));
  }
  if (goals.empty()) return Invalid("at goal: wanted at least one objective");
  return goals;
}

Result<Outcome> OutcomeOf(const object& request) {
  Outcome outcome;
  MUSTER_ASSIGN_OR_RETURN(outcome.values, Objectives(request));
  MUSTER_ASSIGN_OR_RETURN(outcome.constraints, Values(request, "constraints"));
  MUSTER_ASSIGN_OR_RETURN(const std::string state, TextAt(request, "state", "complete"));
  for (const auto known :
       {TrialState::kComplete, TrialState::kPruned, TrialState::kFailed, TrialState::kLost}) {
    if (state != NameOf(known)) continue;
    outcome.state = known;
    return outcome;
  }
  return Invalid("at state: wanted one of complete, pruned, failed, lost, got " + state);
}

Status CheckFields(const object& request, std::initializer_list<std::string_view> fields) {
  for (const auto& entry : request) {
    const std::string_view key = entry.key();
    if (key == "op" || key == "id" || key == "study") continue;
    if (std::find(fields.begin(), fields.end(), key) != fields.end()) continue;
    std::string wanted = "study";
    for (const auto field : fields) wanted.append(", ").append(field);
    return Invalid("at " + std::string(key) + ": unknown field; wanted " + wanted);
  }
  return Ok();
}

}  // namespace muster::tuner
