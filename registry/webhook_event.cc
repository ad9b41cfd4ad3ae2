#include "registry/webhook_event.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <cctype>

#include "registry/change_detail.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

namespace json = boost::json;

constexpr std::string_view kIsPrompt = "mlflow.prompt.is_prompt";
constexpr std::string_view kPromptType = "_mlflow_prompt_type";
constexpr std::string_view kPromptText = "mlflow.prompt.text";

constexpr WebhookKind kKinds[] = {
    {"budget_policy", "exceeded"},
    {"model_version", "created"},
    {"model_version_alias", "created"},
    {"model_version_alias", "deleted"},
    {"model_version_tag", "deleted"},
    {"model_version_tag", "set"},
    {"prompt", "created"},
    {"prompt_alias", "created"},
    {"prompt_alias", "deleted"},
    {"prompt_tag", "deleted"},
    {"prompt_tag", "set"},
    {"prompt_version", "created"},
    {"prompt_version_tag", "deleted"},
    {"prompt_version_tag", "set"},
    {"registered_model", "created"},
};

EventText Text(std::string kind, const json::object& payload) {
  return {std::move(kind), wire::SerializeJson(payload)};
}

json::value OrNull(std::string_view text) {
  return text.empty() ? json::value() : json::value(text);
}

/// Tags of a prompt without those that make it one.
std::vector<Tag> Without(std::vector<Tag> tags, std::initializer_list<std::string_view> keys) {
  std::erase_if(tags,
                [&](const Tag& tag) { return std::ranges::find(keys, tag.key) != keys.end(); });
  return tags;
}

std::string ValueOf(const std::vector<Tag>& tags, std::string_view key, std::string_view absent) {
  std::string value(absent);
  for (const Tag& tag : tags) {
    if (tag.key == key) value = tag.value;
  }
  return value;
}

}  // namespace

std::span<const WebhookKind> WebhookKinds() { return kKinds; }

std::string NameOf(const WebhookKind& kind) {
  return std::string(kind.entity) + "." + std::string(kind.action);
}

const WebhookKind* FindWebhookKind(std::string_view name) {
  const auto* const found =
      std::ranges::find_if(kKinds, [&](const WebhookKind& kind) { return NameOf(kind) == name; });
  return found == std::end(kKinds) ? nullptr : found;
}

bool IsPrompt(const std::vector<Tag>& tags) {
  std::string value = ValueOf(tags, kIsPrompt, "false");
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return std::tolower(c); });
  return value == "true";
}

EventText ModelCreated(std::string_view name, std::string_view description,
                       const std::vector<Tag>& tags) {
  const bool prompt = IsPrompt(tags);
  const auto told = prompt ? Without(tags, {kIsPrompt, kPromptType}) : tags;
  return Text(prompt ? "prompt.created" : "registered_model.created",
              {{"name", name}, {"tags", TagsObject(told)}, {"description", description}});
}

EventText VersionCreated(const NewVersion& version, std::int64_t number) {
  json::object payload{{"name", version.name}, {"version", std::to_string(number)}};
  if (!IsPrompt(version.tags)) {
    payload["source"] = version.source;
    payload["run_id"] = OrNull(version.run_id);
    payload["tags"] = TagsObject(version.tags);
    payload["description"] = OrNull(version.description);
    return Text("model_version.created", payload);
  }
  const auto told = Without(version.tags, {kIsPrompt, kPromptType, kPromptText});
  const bool has_text = told.size() != Without(version.tags, {kIsPrompt, kPromptType}).size();
  payload["template"] =
      has_text ? json::value(ValueOf(version.tags, kPromptText, "")) : json::value();
  payload["tags"] = TagsObject(told);
  payload["description"] = OrNull(version.description);
  return Text("prompt_version.created", payload);
}

EventText TagChanged(std::string_view name, std::int64_t version, std::string_view key,
                     const std::optional<std::string>& value, bool of_prompt) {
  if (version == 0 && !of_prompt) return {};
  json::object payload{{"name", name}};
  if (version != 0) payload["version"] = std::to_string(version);
  payload["key"] = key;
  if (value) payload["value"] = *value;
  const std::string entity =
      version == 0 ? "prompt_tag" : (of_prompt ? "prompt_version_tag" : "model_version_tag");
  return Text(entity + (value ? ".set" : ".deleted"), payload);
}

EventText AliasChanged(std::string_view name, std::string_view alias, std::int64_t version,
                       bool of_prompt) {
  json::object payload{{"name", name}, {"alias", alias}};
  if (version != 0) payload["version"] = std::to_string(version);
  const std::string entity = of_prompt ? "prompt_alias" : "model_version_alias";
  return Text(entity + (version != 0 ? ".created" : ".deleted"), payload);
}

std::string ExamplePayload(std::string_view kind) {
  const bool of_prompt = kind.starts_with("prompt");
  const std::string name = of_prompt ? "example_prompt" : "example_model";
  const std::string what = of_prompt ? "prompt" : "registered model";
  const std::vector<Tag> tags = {{"example_key", "example_value"}};
  const std::string key = "example_key";
  const auto examples = [&]() -> std::vector<EventText> {
    std::vector<Tag> prompt_tags = tags;
    if (of_prompt) prompt_tags.push_back({std::string(kIsPrompt), "true"});
    NewVersion version{.name = name, .source = "models:/123", .run_id = "abcd1234abcd5678"};
    version.tags = prompt_tags;
    version.description = of_prompt ? "An example prompt version" : "An example model version";
    if (of_prompt) version.tags.push_back({std::string(kPromptText), "Hello {{name}}!"});
    return {ModelCreated(name, "An example " + what, prompt_tags),
            VersionCreated(version, 1),
            TagChanged(name, 0, key, "example_value", of_prompt),
            TagChanged(name, 0, key, std::nullopt, of_prompt),
            TagChanged(name, 1, key, "example_value", of_prompt),
            TagChanged(name, 1, key, std::nullopt, of_prompt),
            AliasChanged(name, "example_alias", 1, of_prompt),
            AliasChanged(name, "example_alias", 0, of_prompt)};
  }();
  for (const EventText& example : examples) {
    if (example.kind == kind) return example.payload_json;
  }
  if (kind != "budget_policy.exceeded") return "{}";
  return wire::SerializeJson(json::object{{"budget_policy_id", "bp-abc123"},
                                          {"budget_unit", "USD"},
                                          {"budget_amount", 100.0},
                                          {"current_spend", 105.5},
                                          {"duration_unit", "MONTHS"},
                                          {"duration_value", 1},
                                          {"target_scope", "ENDPOINT"},
                                          {"workspace", "default"},
                                          {"target_value", "ep-abc123"},
                                          {"window_start", 1704067200000}});
}

}  // namespace muster::registry
