#include <algorithm>
#include <charconv>

#include "registry/webhook_event.h"
#include "runtime/filter/filter.h"
#include "tracker/mlflow/call.h"
#include "tracker/mlflow/entities.h"

// Web hooks: webhooks.proto of MLflow 3.18, and _create_webhook and its neighbours in server/handlers.py. Where MLflow
// answers 500 to what it cannot read (an entity that does not exist), this answers 400. One field is muster's own:
// `format` of create and update, registry::Webhook::format; it is answered where it is not MLflow's.

namespace muster::tracker {
namespace {

namespace json = boost::json;
using registry::Webhook;

/// In the order of their numbers, which count from 1.
constexpr std::string_view kEntities[] = {
    "REGISTERED_MODEL", "MODEL_VERSION",  "MODEL_VERSION_TAG", "MODEL_VERSION_ALIAS",
    "PROMPT",           "PROMPT_VERSION", "PROMPT_TAG",        "PROMPT_VERSION_TAG",
    "PROMPT_ALIAS",     "BUDGET_POLICY"};
constexpr std::string_view kActions[] = {"CREATED", "UPDATED", "DELETED", "SET", "EXCEEDED"};

std::string Upper(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  return upper;
}

/// The lower-case name of an enumerator that came by name or number.
template <std::size_t size>
std::string Named(Fields& fields, std::string_view field, const std::string_view (&known)[size]) {
  const std::string text = fields.EnumeratorText(field);
  const auto* found = std::ranges::find(known, text);
  std::size_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && stop == text.data() + text.size() && number >= 1 && number <= size) {
    found = &known[number - 1];
  }
  if (found == std::end(known)) {
    fields.Fail(Invalid("Invalid value '" + text + "' for parameter '" + std::string(field) +
                        "' of a webhook event: wanted one of MLflow's names, such as " +
                        std::string(known[0])));
    return "";
  }
  std::string name(*found);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

Result<std::string> KindOf(Fields& event) {
  const std::string entity = Named(event, "entity", kEntities);
  const std::string action = Named(event, "action", kActions);
  MUSTER_RETURN_IF_ERROR(event.status());
  return registry::CheckWebhookKind(entity, action);
}

Result<std::vector<std::string>> KindsOf(Fields& fields) {
  std::vector<std::string> kinds;
  for (Fields& event : fields.List("events")) {
    MUSTER_ASSIGN_OR_RETURN(std::string kind, KindOf(event));
    if (std::ranges::find(kinds, kind) != kinds.end()) {
      return Invalid("Webhook event '" + kind + "' is listed twice; wanted each once.");
    }
    kinds.push_back(std::move(kind));
  }
  std::ranges::sort(kinds);
  return kinds;
}

/// No value: absent, or a name that MLflow does not know and passes over.
std::optional<bool> ActiveOf(Fields& fields) {
  const std::string text = fields.EnumeratorText("status");
  if (text == "ACTIVE" || text == "1") return true;
  if (text == "DISABLED" || text == "2") return false;
  const bool number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (number) fields.Text("status");  // refuses it: a number is no text
  return std::nullopt;
}

json::object ToMlflow(const Webhook& webhook) {
  json::object object{{"webhook_id", webhook.id}, {"name", webhook.name}};
  PutText(object, "description", webhook.description);
  object["url"] = webhook.url;
  json::array events;
  for (const std::string& name : webhook.events) {
    const auto dot = name.find('.');
    events.push_back(
        {{"entity", Upper(name.substr(0, dot))}, {"action", Upper(name.substr(dot + 1))}});
  }
  PutList(object, "events", std::move(events));
  if (webhook.format != Webhook().format) object["format"] = webhook.format;
  object["status"] = webhook.active ? "ACTIVE" : "DISABLED";
  object["creation_timestamp"] = webhook.creation_ms;
  object["last_updated_timestamp"] = webhook.last_updated_ms;
  return object;
}

registry::WebhookStore& StoreOf(const Call& call) { return *call.services.options.webhooks.store; }
const std::string& IdOf(const Call& call) {
  return call.request.captures.find("webhook_id")->second;
}
json::object WebhookAnswer(const Webhook& webhook) { return {{"webhook", ToMlflow(webhook)}}; }

Result<json::object> CreateWebhook(Call& call) {
  Fields& fields = call.fields;
  Webhook webhook;
  webhook.name = fields.Required("name");
  webhook.url = fields.Required("url");
  fields.MustHave("events");
  auto kinds = KindsOf(fields);
  webhook.description = fields.Text("description");
  webhook.secret = fields.Text("secret");
  webhook.active = ActiveOf(fields).value_or(true);
  webhook.format = fields.OptionalText("format").value_or(webhook.format);
  MUSTER_RETURN_IF_ERROR(fields.status());
  MUSTER_ASSIGN_OR_RETURN(webhook.events, std::move(kinds));
  MUSTER_RETURN_IF_ERROR(registry::CheckWebhookName(webhook.name));
  MUSTER_RETURN_IF_ERROR(registry::CheckWebhookFormat(webhook.format));
  MUSTER_RETURN_IF_ERROR(
      registry::CheckWebhookUrl(webhook.url, call.services.options.webhooks.policy));
  if (webhook.events.empty()) {
    return Invalid("Webhook events must be a non-empty list of WebhookEvent objects: [].");
  }
  MUSTER_ASSIGN_OR_RETURN(const Webhook made, StoreOf(call).Create(webhook));
  return WebhookAnswer(made);
}

Result<json::object> GetWebhook(Call& call) {
  MUSTER_ASSIGN_OR_RETURN(const Webhook webhook, StoreOf(call).Get(IdOf(call)));
  return WebhookAnswer(webhook);
}

Result<json::object> ListWebhooks(Call& call) {
  constexpr std::int64_t kDefault = 100, kMost = 1'000;
  std::int64_t most = call.fields.Int("max_results", kDefault);
  const std::string token = call.fields.Text("page_token");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  if (most == 0) most = kDefault;
  if (most < 1 || most > kMost) return Invalid("max_results must be between 1 and 1000.");
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t offset, filter::PageOffset(token));
  MUSTER_ASSIGN_OR_RETURN(auto page, StoreOf(call).List(offset, most + 1));
  json::object object;
  if (static_cast<std::int64_t>(page.size()) > most) {
    page.pop_back();
    object["next_page_token"] = filter::PageToken(offset + most);
  }
  json::array webhooks;
  for (const Webhook& webhook : page) webhooks.push_back(ToMlflow(webhook));
  PutList(object, "webhooks", std::move(webhooks));
  return object;
}

Result<json::object> UpdateWebhook(Call& call) {
  Fields& fields = call.fields;
  registry::WebhookUpdate update;
  update.name = fields.OptionalText("name");
  update.description = fields.OptionalText("description");
  update.url = fields.OptionalText("url");
  auto kinds = KindsOf(fields);
  update.secret = fields.OptionalText("secret");
  update.active = ActiveOf(fields);
  update.format = fields.OptionalText("format");
  MUSTER_RETURN_IF_ERROR(fields.status());
  MUSTER_ASSIGN_OR_RETURN(update.events, std::move(kinds));
  if (update.name && update.name->empty()) update.name.reset();
  if (update.url && update.url->empty()) update.url.reset();
  MUSTER_RETURN_IF_ERROR(StoreOf(call).Get(IdOf(call)));
  if (update.name) MUSTER_RETURN_IF_ERROR(registry::CheckWebhookName(*update.name));
  if (update.format) MUSTER_RETURN_IF_ERROR(registry::CheckWebhookFormat(*update.format));
  if (update.url) {
    MUSTER_RETURN_IF_ERROR(
        registry::CheckWebhookUrl(*update.url, call.services.options.webhooks.policy));
  }
  MUSTER_ASSIGN_OR_RETURN(const Webhook updated, StoreOf(call).Update(IdOf(call), update));
  return WebhookAnswer(updated);
}

Result<json::object> DeleteWebhook(Call& call) {
  MUSTER_RETURN_IF_ERROR(StoreOf(call).Delete(IdOf(call)));
  return json::object();
}

json::object TestAnswer(const registry::WebhookTestResult& result) {
  json::object object{{"success", result.success}};
  if (result.response_status != 0) {
    object["response_status"] = result.response_status;
    object["response_body"] = result.response_body;
  } else {
    object["error_message"] = result.error_message;
  }
  return {{"result", std::move(object)}};
}

Status TestWebhook(Call& call) {
  std::string kind;
  if (call.fields.Has("event")) {
    Fields event = call.fields.Object("event");
    MUSTER_RETURN_IF_ERROR(call.fields.status());
    MUSTER_ASSIGN_OR_RETURN(kind, KindOf(event));
  }
  call.services.options.webhooks.test(IdOf(call), std::move(kind),
                                      call.reply.When<registry::WebhookTestResult>(TestAnswer));
  return Ok();
}

}  // namespace

const std::vector<Route>& WebhookRoutes() {
  static const std::vector<Route> routes = {
      {"POST", "/webhooks", nullptr, CreateWebhook},
      {"GET", "/webhooks", nullptr, ListWebhooks},
      {"GET", "/webhooks/{webhook_id}", nullptr, GetWebhook},
      {"PATCH", "/webhooks/{webhook_id}", nullptr, UpdateWebhook},
      {"DELETE", "/webhooks/{webhook_id}", nullptr, DeleteWebhook},
      {"POST", "/webhooks/{webhook_id}/test", TestWebhook},
  };
  return routes;
}

}  // namespace muster::tracker
