#include "runtime/coordinator/event.h"

#include <array>
#include <type_traits>

#include "runtime/coordinator/event_json.h"

namespace muster::coordinator {
namespace {

// In the order of the variants' alternatives.
constexpr std::array<std::string_view, std::variant_size_v<EventBody>> kEventNames = {
    "coordinator_started", "node_seen",       "sweep_submitted",  "sweep_changed",
    "sweep_promoting",     "sweep_ended",     "trial_created",    "trial_ended",
    "trial_retried",       "attempt_started", "attempt_prepared", "attempt_running",
    "stop_decided",        "attempt_ended",   "reported",         "outbox_added",
    "outbox_finished",     "member_ended",    "quota_set",        "noticed",
    "node_changed",        "log_rule_fired",  "trial_paused",     "trial_resumed",
    "trial_enqueued",      "space_widened",   "pool_set",         "pool_changed",
    "allocation_asked",    "allocation_seen", "allocation_left",  "allocation_ended",
    "node_left",           "node_forgotten",  "allocation_used"};
constexpr std::array<std::string_view, std::variant_size_v<Command>> kCommandNames = {
    "create_run",       "finish_run",         "resume_run",        "promote_model",
    "drop_checkpoints", "submit_allocations", "cancel_allocation", "tag_run"};

// OutboxAdded holds a variant, which the codec does not know.
struct OutboxAddedJson {
  std::string id;
  boost::json::object command;
};
BOOST_DESCRIBE_STRUCT(OutboxAddedJson, (), (id, command))

std::string EncodeBody(const OutboxAdded& added) {
  return R"({"id":)" + wire::Encode(added.id) + R"(,"command":)" + EncodeCommand(added.command) +
         "}";
}
template <typename T>
std::string EncodeBody(const T& event) {
  return wire::Encode(event);
}

template <typename T>
Result<EventBody> DecodeBody(std::string_view json) {
  if constexpr (std::is_same_v<T, OutboxAdded>) {
    MUSTER_ASSIGN_OR_RETURN(OutboxAddedJson outer, wire::Decode<OutboxAddedJson>(json));
    MUSTER_ASSIGN_OR_RETURN(Command command, CommandFromJson(outer.command));
    return EventBody(OutboxAdded{outer.id, std::move(command)});
  } else {
    MUSTER_ASSIGN_OR_RETURN(T body, wire::Decode<T>(json));
    return EventBody(std::move(body));
  }
}

template <std::size_t... I>
Result<EventBody> DecodeByIndex(std::size_t index, std::string_view json,
                                std::index_sequence<I...> /*all*/) {
  using Decoder = Result<EventBody> (*)(std::string_view);
  static constexpr std::array<Decoder, sizeof...(I)> kDecoders = {
      &DecodeBody<std::variant_alternative_t<I, EventBody>>...};
  return kDecoders[index](json);
}

template <typename T>
Result<Command> DecodeCommand(const boost::json::object& json) {
  MUSTER_ASSIGN_OR_RETURN(T command, wire::FromJson<T>(json));
  return Command(std::move(command));
}

}  // namespace

std::string_view EventName(const EventBody& body) { return kEventNames[body.index()]; }

std::string EncodeEvent(const EventBody& body) {
  return std::visit([](const auto& event) { return EncodeBody(event); }, body);
}

Result<EventBody> DecodeEvent(std::string_view name, std::string_view json) {
  for (std::size_t i = 0; i < kEventNames.size(); ++i) {
    if (kEventNames[i] != name) continue;
    auto body = DecodeByIndex(i, json, std::make_index_sequence<kEventNames.size()>());
    if (!body.ok()) return Corrupt("event " + std::string(name) + ": " + body.error().message);
    return body;
  }
  return Corrupt("unknown event '" + std::string(name) + "'; a newer muster may have written it");
}

std::string_view CommandName(const Command& command) { return kCommandNames[command.index()]; }

RunId RunOf(const Command& command) {
  return std::visit(
      [](const auto& alternative) {
        if constexpr (requires { alternative.run; }) {
          return alternative.run;
        } else {
          return RunId("pool " + alternative.key);
        }
      },
      command);
}

std::string EncodeCommand(const Command& command) {
  std::string text =
      std::visit([](const auto& alternative) { return wire::Encode(alternative); }, command);
  text.replace(0, 1, R"({"type":)" + wire::Encode(CommandName(command)) + ",");  // each has members
  return text;
}

Result<Command> CommandFromJson(const boost::json::object& json) {
  const auto* type = json.if_contains("type");
  if (type == nullptr || !type->is_string()) return Invalid("a command without a type");
  const std::string_view name = type->get_string();
  if (name == "create_run") return DecodeCommand<CreateRun>(json);
  if (name == "finish_run") return DecodeCommand<FinishRun>(json);
  if (name == "resume_run") return DecodeCommand<ResumeRun>(json);
  if (name == "promote_model") return DecodeCommand<PromoteModel>(json);
  if (name == "drop_checkpoints") return DecodeCommand<DropCheckpoints>(json);
  if (name == "submit_allocations") return DecodeCommand<SubmitAllocations>(json);
  if (name == "cancel_allocation") return DecodeCommand<CancelAllocation>(json);
  if (name == "tag_run") return DecodeCommand<TagRun>(json);
  return Invalid("unknown command '" + std::string(name) + "'");
}

}  // namespace muster::coordinator
