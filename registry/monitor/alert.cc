#include "registry/monitor/alert.h"

#include <algorithm>
#include <boost/describe.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <set>

#include "registry/package/text.h"
#include "runtime/wire/codec.h"

namespace muster::registry::monitor {
namespace {

constexpr std::size_t kRulesMost = 1'000;

struct StateEntry {
  std::string rule, metric, definition;
  std::int64_t beyond = 0, beyond_since_ms = 0;
  bool firing = false;
  std::optional<std::int64_t> fired_ms;
  double value = 0;
};
BOOST_DESCRIBE_STRUCT(StateEntry, (),
                      (rule, metric, definition, beyond, beyond_since_ms, firing, fired_ms, value))
struct StateFile {
  std::vector<StateEntry> states;
};
BOOST_DESCRIBE_STRUCT(StateFile, (), (states))

/// One '*' at most.
bool Matches(std::string_view pattern, std::string_view metric) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == metric;
  const auto before = pattern.substr(0, star), after = pattern.substr(star + 1);
  return metric.size() >= before.size() + after.size() && metric.starts_with(before) &&
         metric.ends_with(after);
}

boost::json::object RuleToJson(const AlertRule& rule) {
  return {
      {"name", rule.name},   {"metric", rule.metric}, {rule.above ? "above" : "below", rule.bound},
      {"for", rule.windows}, {"clear", rule.clear},   {"cooldown_ms", rule.cooldown_ms}};
}

/// A changed rule has another one.
std::string Definition(const AlertRule& rule) { return wire::SerializeJson(RuleToJson(rule)); }

template <typename T>
Status Read(const boost::json::object& object, const char* key, std::optional<T>& value) {
  const auto* found = object.if_contains(key);
  if (found == nullptr) return Ok();
  auto read = wire::FromJson<T>(*found);
  if (!read.ok()) return wire::internal::AtPath(read.error(), key);
  value = std::move(read).value();
  return Ok();
}

Result<AlertRule> RuleFromJson(const boost::json::value& json) {
  MUSTER_ASSIGN_OR_RETURN(const auto object, wire::FromJson<boost::json::object>(json));
  static constexpr std::string_view kKeys[] = {"name", "metric", "above",      "below",
                                               "for",  "clear",  "cooldown_ms"};
  for (const auto& entry : object) {
    if (std::ranges::find(kKeys, std::string_view(entry.key())) == std::end(kKeys)) {
      return Invalid("at " + std::string(entry.key()) +
                     ": unknown key; wanted name, metric, above or below, for, clear, cooldown_ms");
    }
  }
  std::optional<std::string> name, metric;
  std::optional<double> above, below, clear;
  std::optional<std::int64_t> windows, cooldown;
  MUSTER_RETURN_IF_ERROR(Read(object, "name", name));
  MUSTER_RETURN_IF_ERROR(Read(object, "metric", metric));
  MUSTER_RETURN_IF_ERROR(Read(object, "above", above));
  MUSTER_RETURN_IF_ERROR(Read(object, "below", below));
  MUSTER_RETURN_IF_ERROR(Read(object, "clear", clear));
  MUSTER_RETURN_IF_ERROR(Read(object, "for", windows));
  MUSTER_RETURN_IF_ERROR(Read(object, "cooldown_ms", cooldown));
  if (!name || name->empty()) return Invalid("at name: wanted a name");
  if (!metric || metric->empty()) return Invalid("at metric: wanted the name of a figure");
  if (std::ranges::count(*metric, '*') > 1) return Invalid("at metric: wanted one '*' at most");
  if (above.has_value() == below.has_value())
    return Invalid("at above: wanted it or below, one of the two");
  AlertRule rule{*name,
                 *metric,
                 above.has_value(),
                 above ? *above : *below,
                 0,
                 windows.value_or(1),
                 cooldown.value_or(0)};
  rule.clear = clear.value_or(rule.bound);
  if (!std::isfinite(rule.bound)) return Invalid("at above: wanted a finite number");
  const bool clears = rule.above ? rule.clear <= rule.bound : rule.clear >= rule.bound;
  if (!clears || !std::isfinite(rule.clear)) {
    return Invalid("at clear: wanted a number " + std::string(rule.above ? "at most" : "at least") +
                   " the bound");
  }
  if (rule.windows < 1) return Invalid("at for: wanted 1 window or more");
  if (rule.cooldown_ms < 0) return Invalid("at cooldown_ms: wanted 0 or more");
  return rule;
}

}  // namespace

Result<std::vector<AlertRule>> AlertRulesFromJson(const boost::json::value& json) {
  MUSTER_ASSIGN_OR_RETURN(auto object, wire::FromJson<boost::json::object>(json));
  for (const auto& entry : object) {
    if (entry.key() != "rules") {
      return Invalid("at " + std::string(entry.key()) + ": unknown key; wanted rules");
    }
  }
  const auto list = wire::FromJson<boost::json::array>(object["rules"]);
  if (!list.ok()) return wire::internal::AtPath(list.error(), "rules");
  if (list->size() > kRulesMost) return Invalid("at rules: wanted at most 1000");
  std::vector<AlertRule> rules;
  std::set<std::string> names;
  for (std::size_t i = 0; i < list->size(); ++i) {
    auto rule = RuleFromJson((*list)[i]);
    if (rule.ok() && !names.insert(rule->name).second) {
      rule = Invalid("at name: '" + rule->name + "' comes twice");
    }
    if (!rule.ok()) {
      return wire::internal::AtPath(rule.error(), "rules[" + std::to_string(i) + "]");
    }
    rules.push_back(std::move(rule).value());
  }
  return rules;
}

boost::json::value ToJson(const std::vector<AlertRule>& rules) {
  boost::json::array list;
  for (const AlertRule& rule : rules) list.push_back(RuleToJson(rule));
  return boost::json::object{{"rules", std::move(list)}};
}

std::string Sentence(const AlertEvent& event) {
  return event.rule + (event.fired ? " fired: " : " resolved: ") + event.metric + " is " +
         ShortNumber(event.value) + (event.fired ? ", beyond " : ", back at ") +
         ShortNumber(event.bound) + (event.fired ? " since " : "; fired ") +
         IsoTime(event.since_ms);
}

boost::json::value ToJson(const AlertEvent& event) {
  return boost::json::object{{"state", event.fired ? "fired" : "resolved"},
                             {"rule", event.rule},
                             {"metric", event.metric},
                             {"time_ms", event.time_ms},
                             {"value", wire::ToJson(event.value)},
                             {"bound", event.bound},
                             {"since_ms", event.since_ms}};
}

std::vector<AlertEvent> Alerts::Observe(const std::map<std::string, double>& metrics,
                                        std::int64_t time_ms) {
  std::vector<AlertEvent> events;
  for (const AlertRule& rule : rules_) {
    for (const auto& [metric, value] : metrics) {
      if (std::isnan(value) || !Matches(rule.metric, metric)) continue;
      if (auto event = Update(rule, metric, value, time_ms)) events.push_back(std::move(*event));
    }
  }
  return events;
}

std::optional<AlertEvent> Alerts::Update(const AlertRule& rule, const std::string& metric,
                                         double value, std::int64_t time_ms) {
  State& state = states_[{rule.name, metric}];
  state.value = value;
  const bool beyond = rule.above ? value > rule.bound : value < rule.bound;
  if (!beyond) {
    state.beyond = 0;
  } else if (state.beyond++ == 0) {
    state.beyond_since_ms = time_ms;
  }
  if (state.firing) {
    const bool over = rule.above ? value <= rule.clear : value >= rule.clear;
    if (!over) return std::nullopt;
    state.firing = false;
    return AlertEvent{false, rule.name, metric, time_ms, value, rule.clear, *state.fired_ms};
  }
  const bool silent = state.fired_ms && time_ms - *state.fired_ms < rule.cooldown_ms;
  if (state.beyond < rule.windows || silent) return std::nullopt;
  state.firing = true;
  state.fired_ms = time_ms;
  return AlertEvent{true, rule.name, metric, time_ms, value, rule.bound, state.beyond_since_ms};
}

std::vector<AlertEvent> Alerts::Firing() const {
  std::vector<AlertEvent> events;
  for (const AlertRule& rule : rules_) {
    for (const auto& [key, state] : states_) {
      if (key.first != rule.name || !state.firing) continue;
      events.push_back(
          {true, rule.name, key.second, *state.fired_ms, state.value, rule.bound, *state.fired_ms});
    }
  }
  return events;
}

boost::json::value Alerts::StateJson() const {
  StateFile file;
  for (const AlertRule& rule : rules_) {
    for (const auto& [key, state] : states_) {
      if (key.first != rule.name) continue;
      file.states.push_back({key.first, key.second, Definition(rule), state.beyond,
                             state.beyond_since_ms, state.firing, state.fired_ms, state.value});
    }
  }
  return wire::ToJson(file);
}

Status Alerts::Restore(const boost::json::value& json) {
  const auto file = wire::FromJson<StateFile>(json);
  if (!file.ok()) return Corrupt("alerts: " + file.error().message);
  std::map<Key, State> states;
  for (const StateEntry& entry : file->states) {
    const auto rule = std::ranges::find(rules_, entry.rule, &AlertRule::name);
    if (rule == rules_.end() || Definition(*rule) != entry.definition) continue;
    if (entry.beyond < 0 || (entry.firing && !entry.fired_ms)) {
      return Corrupt("alerts: the state of '" + entry.rule + "' is none that there can be");
    }
    states[{entry.rule, entry.metric}] = {entry.beyond, entry.beyond_since_ms, entry.firing,
                                          entry.fired_ms, entry.value};
  }
  states_ = std::move(states);
  return Ok();
}

}  // namespace muster::registry::monitor
