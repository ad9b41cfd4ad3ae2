#include "runtime/coordinator/trial_command.h"

#include <functional>
#include <optional>

#include "runtime/wire/codec.h"

namespace muster::coordinator {
namespace {

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsName(char c) {
  return IsNameStart(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '/';
}

/// The name of the placeholder that begins at `at` ("{name}"), or empty.
std::string_view PlaceholderAt(std::string_view text, std::size_t at) {
  if (text[at] != '{' || (at > 0 && text[at - 1] == '$')) return {};
  std::size_t end = at + 1;
  if (end >= text.size() || !IsNameStart(text[end])) return {};
  while (end < text.size() && IsName(text[end])) ++end;
  if (end >= text.size() || text[end] != '}') return {};
  return text.substr(at + 1, end - at - 1);
}

/// `value_of` answers nullopt for a name it does not know; the text then stays.
std::string Fill(std::string_view text,
                 const std::function<std::optional<std::string>(std::string_view)>& value_of) {
  std::string filled;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "{{" || text.substr(i, 2) == "}}") {
      filled += text[i++];
      continue;
    }
    const std::string_view name = PlaceholderAt(text, i);
    const auto value = name.empty() ? std::nullopt : value_of(name);
    if (!value) {
      filled += text[i];
      continue;
    }
    filled += *value;
    i += name.size() + 1;
  }
  return filled;
}

std::optional<std::string> ValueOf(const Sweep& sweep, const Trial& trial, std::string_view name) {
  const std::string key(name);
  if (const auto param = trial.params.find(key); param != trial.params.end()) {
    return tuner::ParamText(param->second);
  }
  if (const auto fixed = sweep.spec.fixed.find(key); fixed != sweep.spec.fixed.end()) {
    return ScalarText(fixed->second);
  }
  if (sweep.spec.space.contains(key)) return "";  // inactive in this trial
  if (key == "seed") return std::to_string(sweep.spec.seed);
  if (key == "trial") return trial.id.value;
  if (key.starts_with("data.")) {
    const auto data = sweep.spec.data.find(key.substr(5));
    if (data != sweep.spec.data.end()) return data->second;
  }
  return std::nullopt;
}

bool IsKnown(const wire::SweepSpec& spec, std::string_view name) {
  const std::string key(name);
  return spec.space.contains(key) || spec.fixed.contains(key) || key == "seed" || key == "trial" ||
         (key.starts_with("data.") && spec.data.contains(key.substr(5)));
}

}  // namespace

std::string ScalarText(const boost::json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_double()) return tuner::ParamText(value.get_double());
  return wire::SerializeJson(value);
}

std::vector<std::string> TrialCommand(const Sweep& sweep, const Trial& trial) {
  if (!sweep.spec.trial.program.empty()) return {sweep.spec.trial.program};
  std::vector<std::string> command;
  command.reserve(sweep.spec.trial.command.size());
  for (const std::string& word : sweep.spec.trial.command) {
    command.push_back(
        Fill(word, [&](std::string_view name) { return ValueOf(sweep, trial, name); }));
  }
  return command;
}

Status ValidatePlaceholders(const wire::SweepSpec& spec) {
  Status status;
  for (std::size_t i = 0; i < spec.trial.command.size(); ++i) {
    (void)Fill(spec.trial.command[i], [&](std::string_view name) -> std::optional<std::string> {
      if (!IsKnown(spec, name) && status.ok()) {
        status = Invalid("at trial.command[" + std::to_string(i) + "]: {" + std::string(name) +
                         "} names no parameter of the space; write {{" + std::string(name) +
                         "}} for the text itself");
      }
      return "";
    });
  }
  return status;
}

std::string ParamsJson(const Sweep& sweep, const Trial& trial) {
  boost::json::object params = tuner::ParamsToJson(trial.params);
  for (const auto& [name, value] : sweep.spec.fixed) params[name] = value;
  return wire::SerializeJson(boost::json::object{
      {"params", std::move(params)},
      {"data", wire::ToJson(sweep.spec.data)},
      {"seed", sweep.spec.seed},
      {"trial", trial.id.value},
      {"objective",
       {{"metric", sweep.spec.objective.metric}, {"goal", sweep.spec.objective.goal}}}});
}

}  // namespace muster::coordinator
