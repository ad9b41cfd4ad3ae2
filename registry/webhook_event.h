#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "registry/model_store.h"

/// The events that MLflow 3.18's web hooks tell of, and their payloads (mlflow/entities/webhook.py,
/// webhooks/types.py, and which handler sends what: server/handlers.py). A prompt is a registered model with
/// the tag mlflow.prompt.is_prompt=true; its events have kinds of their own. Pure.

namespace muster::registry {

/// "registered_model.created" and so on: entity and action, in MLflow's spelling.
struct WebhookKind {
  std::string_view entity, action;
};
/// All that MLflow has, sorted by entity and action.
std::span<const WebhookKind> WebhookKinds();
/// "entity.action".
std::string NameOf(const WebhookKind& kind);
/// nullptr when there is no such kind.
const WebhookKind* FindWebhookKind(std::string_view name);
/// The payload that MLflow sends when it tests a web hook of this kind; "{}" for an unknown one.
std::string ExamplePayload(std::string_view kind);

/// What happened, in a web hook's words. An empty kind: nothing that a web hook hears of.
struct EventText {
  std::string kind;
  std::string payload_json;  ///< the member "data" of a delivery
};

bool IsPrompt(const std::vector<Tag>& tags);
EventText ModelCreated(std::string_view name, std::string_view description,
                       const std::vector<Tag>& tags);
EventText VersionCreated(const NewVersion& version, std::int64_t number);
/// version 0: a tag of the model itself, heard of for prompts only. No value: deleted.
EventText TagChanged(std::string_view name, std::int64_t version, std::string_view key,
                     const std::optional<std::string>& value, bool of_prompt);
/// version 0: the alias is gone.
EventText AliasChanged(std::string_view name, std::string_view alias, std::int64_t version,
                       bool of_prompt);

}  // namespace muster::registry
