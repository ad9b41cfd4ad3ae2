#include "tuner/ask_tell_insight.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <numeric>

#include "tuner/insight/best.h"
#include "tuner/insight/forest.h"
#include "tuner/insight/ped_anova.h"
#include "tuner/json.h"
#include "tuner/trial_table.h"

namespace muster::tuner {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

Result<std::size_t> ObjectiveOf(const Searched& search, const object& request) {
  MUSTER_ASSIGN_OR_RETURN(const auto index, IntegerOr(request, "objective", 0, 0, "request"));
  const auto count = static_cast<std::int64_t>(search.spec.goals.size());
  if (index < count) return static_cast<std::size_t>(index);
  return Invalid("at request.objective: wanted 0 to " + std::to_string(count - 1) + ", got " +
                 std::to_string(index));
}

Result<std::vector<std::size_t>> ParametersOf(const Space& space, const object& request) {
  const auto* names = request.if_contains("params");
  const bool listed = names != nullptr && names->is_array() && !names->get_array().empty() &&
                      names->get_array().size() <= 2;
  if (!listed) {
    return Invalid("at params: wanted a list of one or two parameters" +
                   (names == nullptr ? "" : ", got " + Text(*names)));
  }
  std::vector<std::size_t> parameters;
  for (const auto& name : names->get_array()) {
    const auto& all = space.parameters();
    const auto found = std::ranges::find_if(all, [&](const Parameter& parameter) {
      return name.is_string() && name.get_string() == parameter.name;
    });
    const std::string where = "at params[" + std::to_string(parameters.size()) + "]: ";
    if (found == all.end()) return Invalid(where + "there is no parameter " + Text(name));
    const auto index = static_cast<std::size_t>(found - all.begin());
    if (std::ranges::find(parameters, index) != parameters.end()) {
      return Invalid(where + Text(name) + " is there twice");
    }
    parameters.push_back(index);
  }
  return parameters;
}

value JsonOf(const ParamValue& param) {
  return std::visit([](const auto& plain) { return value(plain); }, param);
}

/// A trial as `best` and `front` show it.
object Shown(const Searched& search, std::int64_t number) {
  const Trial& trial = search.history.At(number);
  array values;
  for (std::size_t i = 0; i < trial.losses.size(); ++i) {
    values.push_back(ValueOf(trial.losses[i], search.spec.goals[i]));
  }
  return {{"trial", number}, {"values", values}, {"params", ParamsToJson(trial.params)}};
}

/// The most important first; a share is of their sum.
array Ranked(const Space& space, const std::vector<Estimate>& importance, bool intervals) {
  std::vector<std::size_t> order(importance.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return importance[a].value > importance[b].value;
  });
  double sum = 0;
  for (const auto& estimate : importance) sum += std::max(0.0, estimate.value);
  array ranked;
  for (const std::size_t i : order) {
    object json{{"parameter", space.parameters()[i].name},
                {"value", importance[i].value},
                {"share", sum > 0 ? std::max(0.0, importance[i].value) / sum : 0}};
    if (intervals) {
      json["low"] = importance[i].low;
      json["high"] = importance[i].high;
    }
    ranked.push_back(std::move(json));
  }
  return ranked;
}

Result<object> Importance(const Searched& search, const object& request) {
  MUSTER_ASSIGN_OR_RETURN(const auto objective, ObjectiveOf(search, request));
  const auto* named = request.if_contains("method");
  const bool forest = named != nullptr && *named == "forest";
  if (named != nullptr && !forest && *named != "ped-anova") {
    return Invalid("at method: wanted ped-anova or forest, got " + Text(*named));
  }
  const Space& space = *search.spec.space;
  const Evidence seen = Gather(space, search.history, objective);
  std::vector<Estimate> importance;
  if (forest) {
    importance = PermutationImportance(space, seen, search.spec.seed);
  } else {
    for (const double value : PedAnova(space, seen)) importance.push_back({.value = value});
  }
  return object{{"method", forest ? "forest" : "ped-anova"},
                {"trials", seen.losses.size()},
                {"importance", Ranked(space, importance, forest)}};
}

Result<object> Dependence(const Searched& search, const object& request) {
  MUSTER_ASSIGN_OR_RETURN(const auto objective, ObjectiveOf(search, request));
  const Space& space = *search.spec.space;
  MUSTER_ASSIGN_OR_RETURN(const auto parameters, ParametersOf(space, request));
  const Goal goal = search.spec.goals[objective];
  const Evidence seen = Gather(space, search.history, objective);
  const auto dependence = PartialDependence(space, seen, parameters, search.spec.seed);
  array at;
  for (std::size_t i = 0; i < dependence.at.size(); ++i) {
    array where;
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      where.push_back(JsonOf(space.ValueAt(parameters[p], dependence.at[i][p])));
    }
    const Estimate& loss = dependence.losses[i];
    const double low = ValueOf(loss.low, goal), high = ValueOf(loss.high, goal);
    at.push_back(object{{"at", where},
                        {"value", ValueOf(loss.value, goal)},
                        {"low", std::min(low, high)},
                        {"high", std::max(low, high)}});
  }
  return object{{"trials", seen.losses.size()}, {"dependence", std::move(at)}};
}

Result<object> TheBest(const Searched& search, const object& request) {
  MUSTER_ASSIGN_OR_RETURN(const auto objective, ObjectiveOf(search, request));
  const BestCourse course = BestSoFar(search.history, objective);
  if (course.improvements.empty())
    return NotFound("no trial is complete and keeps its constraints yet");
  // Where there is a clock: when a trial ended.
  const auto add_seconds = [&](object& json, std::int64_t trial) {
    const auto at = static_cast<std::size_t>(trial);
    if (at < search.seconds.size()) json["seconds"] = search.seconds[at];
  };
  array curve;
  for (const Improvement& step : course.improvements) {
    object point{{"trial", step.trial},
                 {"ended", step.ended},
                 {"value", ValueOf(step.loss, search.spec.goals[objective])}};
    add_seconds(point, step.trial);
    curve.push_back(std::move(point));
  }
  object answer = Shown(search, course.improvements.back().trial);
  answer["curve"] = std::move(curve);
  answer["ended"] = course.ended;
  add_seconds(answer, course.newest);
  return answer;
}

Result<object> TheFront(const Searched& search, const object& /*request*/) {
  array trials;
  for (const std::int64_t number : tuner::Front(search.history))
    trials.push_back(Shown(search, number));
  return object{{"trials", std::move(trials)}};
}

Result<object> Export(const Searched& search, const object& /*request*/) {
  return object{{"csv", WriteTrialTable(*search.spec.space, search.history, search.metrics)}};
}

constexpr struct {
  std::string_view name;
  Result<object> (*answer)(const Searched&, const object&);
} kVerbs[] = {{"importance", Importance},
              {"dependence", Dependence},
              {"best", TheBest},
              {"front", TheFront},
              {"export", Export}};

}  // namespace

Result<object> LookBack(const Searched& search, std::string_view verb, const object& request) {
  for (const auto& known : kVerbs) {
    if (known.name == verb) return known.answer(search, request);
  }
  return Invalid("wanted importance, dependence, best, front or export, got " + std::string(verb));
}

}  // namespace muster::tuner
