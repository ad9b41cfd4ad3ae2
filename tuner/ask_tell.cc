#include "tuner/ask_tell.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "runtime/base/varint.h"
#include "tuner/ask_tell_fields.h"
#include "tuner/ask_tell_verbs.h"
#include "tuner/json.h"

namespace muster::tuner {

using boost::json::object;

namespace {

/// Before the request that created the study; study_event.h numbers from 1.
constexpr char kCreated = 0;

}  // namespace

Result<object> AskTell::Answer(const object& request, Changed* changed) {
  MUSTER_ASSIGN_OR_RETURN(const std::string op, TextAt(request, "op", ""));
  MUSTER_ASSIGN_OR_RETURN(const std::string name, TextAt(request, "study", ""));
  const auto study = studies_.find(name);
  const std::string shown = name.empty() ? "without a name" : "'" + name + "'";
  if (op == "create") {
    if (study != studies_.end()) return AlreadyExists("at study: there is one " + shown);
    MUSTER_ASSIGN_OR_RETURN(auto made, CreateStudy(request));
    studies_.emplace(name, std::move(made));
    if (changed != nullptr) {
      const std::string text = boost::json::serialize(request);
      changed->events += kCreated;
      AppendVarint(changed->events, text.size());
      changed->events += text;
    }
    return object{{"study", name}};
  }
  if (op != "drop" && !IsVerb(op)) {
    return Invalid("at op: wanted one of create, drop, " + VerbNames() + "; got " +
                   (op.empty() ? "nothing" : op));
  }
  if (study == studies_.end()) return NotFound("at study: there is none " + shown + "; create it");
  if (op == "drop") {
    studies_.erase(study);
    if (changed != nullptr) *changed = {.dropped = true, .events = {}};
    return object{};
  }
  study->second.RecordTo(changed == nullptr ? nullptr : &changed->events);
  auto answer = AnswerVerb(study->second, op, request);
  study->second.RecordTo(nullptr);
  return answer;
}

const Study* AskTell::Find(std::string_view name) const {
  const auto found = studies_.find(name);
  return found == studies_.end() ? nullptr : &found->second;
}

Status AskTell::Replay(const std::string& name, std::string_view events) {
  auto study = studies_.find(name);
  if (study == studies_.end()) {
    std::uint64_t size = 0;
    if (events.empty() || events.front() != kCreated) return Corrupt("a study begins with create");
    events.remove_prefix(1);
    if (!TakeVarint(events, size) || size > events.size()) return Corrupt("a create is cut short");
    boost::json::error_code failed;
    const auto request = boost::json::parse(events.substr(0, size), failed);
    if (failed || !request.is_object()) return Corrupt("a create is not a JSON object");
    auto made = CreateStudy(request.get_object());
    if (!made.ok()) return Corrupt("it cannot be created again: " + made.error().message);
    study = studies_.emplace(name, std::move(made).value()).first;
    events.remove_prefix(size);
  }
  return study->second.Replay(events);
}

std::string AskTell::AnswerLine(std::string_view line) {
  boost::json::error_code failed;
  const auto json = boost::json::parse(line, failed);
  object answer;
  if (failed || !json.is_object()) {
    const std::string seen = failed ? failed.message() : Text(json);
    answer["error"] = object{{"kind", ErrorKindName(ErrorKind::kInvalid)},
                             {"message", "wanted one JSON object on a line: " + seen}};
    return boost::json::serialize(answer);
  }
  auto answered = Answer(json.get_object());
  if (answered.ok()) {
    answer = std::move(answered).value();
  } else {
    answer["error"] = object{{"kind", ErrorKindName(answered.error().kind)},
                             {"message", answered.error().message}};
  }
  if (const auto* id = json.get_object().if_contains("id")) answer["id"] = *id;
  return boost::json::serialize(answer);
}

}  // namespace muster::tuner
