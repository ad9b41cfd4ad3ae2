#include "tuner/ask_tell.h"

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <limits>

#include "tuner/ask_tell_insight.h"
#include "tuner/json.h"
#include "tuner/trial_table.h"

namespace muster::tuner {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using Answered = Result<object>;

/// A value of an objective: a number, or one of "nan", "inf", "-inf", which JSON has no numbers for.
Result<double> Value(const value& json, const std::string& where) {
  if (json.is_string()) {
    if (json.get_string() == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (json.get_string() == "inf") return std::numeric_limits<double>::infinity();
    if (json.get_string() == "-inf") return -std::numeric_limits<double>::infinity();
  }
  if (json.is_number()) return Number(json, where);
  return Invalid("at " + where + R"(: wanted a number, "nan", "inf" or "-inf", got )" + Text(json));
}

value JsonOf(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  return number;
}

/// The list under `key`; empty when missing.
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

/// The list of texts under `key`; empty when missing.
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

/// `value`, or `values` with one an objective.
Result<std::vector<double>> Objectives(const object& request) {
  const auto* one = request.if_contains("value");
  if (one == nullptr) return Values(request, "values");
  if (request.contains("values")) return Invalid("at value: wanted value or values, not both");
  MUSTER_ASSIGN_OR_RETURN(const double number, Value(*one, "value"));
  return std::vector<double>{number};
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

Result<Goal> GoalOf(const value& json, const std::string& where) {
  if (json == "minimize") return Goal::kMinimize;
  if (json == "maximize") return Goal::kMaximize;
  return Invalid("at " + where + ": wanted minimize or maximize, got " + Text(json));
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

std::string_view NameOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kContinue:
      return "continue";
    case Verdict::kStop:
      return "stop";
    case Verdict::kPause:
      return "pause";
  }
  return "continue";
}

Answered OnAsk(Study& study, const object& /*request*/) {
  MUSTER_ASSIGN_OR_RETURN(const Asked asked, study.Ask());
  object answer{{"trial", asked.trial}, {"params", ParamsToJson(asked.params)}, {"by", asked.by}};
  if (asked.from) answer["from"] = object{{"trial", asked.from->trial}, {"step", asked.from->step}};
  return answer;
}

Answered OnReport(Study& study, const object& request) {
  MUSTER_ASSIGN_OR_RETURN(const auto trial, TrialOf(request));
  if (!request.contains("step")) return Invalid("at step: missing; wanted 0 or more");
  MUSTER_ASSIGN_OR_RETURN(const auto step, Integer(request.at("step"), "step"));
  MUSTER_ASSIGN_OR_RETURN(const auto values, Objectives(request));
  MUSTER_ASSIGN_OR_RETURN(const Verdict verdict, study.Report(trial, step, values));
  return object{{"verdict", NameOf(verdict)}};
}

Answered OnShouldStop(Study& study, const object& request) {
  MUSTER_ASSIGN_OR_RETURN(const auto trial, TrialOf(request));
  MUSTER_ASSIGN_OR_RETURN(const Verdict verdict, study.VerdictOn(trial));
  return object{{"verdict", NameOf(verdict)}};
}

Answered OnTell(Study& study, const object& request) {
  MUSTER_ASSIGN_OR_RETURN(const auto trial, TrialOf(request));
  MUSTER_ASSIGN_OR_RETURN(const Outcome outcome, OutcomeOf(request));
  MUSTER_RETURN_IF_ERROR(study.Tell(trial, outcome));
  return object{{"trial", trial}};
}

Answered OnEnqueue(Study& study, const object& request) {
  MUSTER_ASSIGN_OR_RETURN(const auto json, ObjectAt(request, "params"));
  auto params = ParamsFromJson(json);
  if (!params.ok()) return params.error().With("at params");
  MUSTER_RETURN_IF_ERROR(study.Enqueue(*params));
  return object{};
}

/// The names of the objectives, for a table.
Result<std::vector<std::string>> Metrics(const Study& study, const object& request) {
  MUSTER_ASSIGN_OR_RETURN(auto metrics, Texts(request, "metrics"));
  const std::size_t objectives = study.spec().goals.size();
  if (metrics.empty()) metrics.resize(objectives);
  if (metrics.size() == objectives) return metrics;
  return Invalid("at metrics: wanted " + std::to_string(objectives) + ", one an objective, got " +
                 std::to_string(metrics.size()));
}

/// All trials of a table or none.
Answered ImportTable(Study& study, const object& request, double weight) {
  for (const auto& entry : request) {
    const std::string_view key = entry.key();
    if (key == "params" || key == "value" || key == "values" || key == "constraints" ||
        key == "state") {
      return Invalid("at " + std::string(key) + ": wanted it, or csv with all trials, not both");
    }
  }
  MUSTER_ASSIGN_OR_RETURN(const std::string csv, TextAt(request, "csv", ""));
  MUSTER_ASSIGN_OR_RETURN(const auto metrics, Metrics(study, request));
  MUSTER_ASSIGN_OR_RETURN(const auto table,
                          ReadTrialTable(csv, "csv", *study.spec().space, metrics));
  for (const TableTrial& trial : table.trials) {
    MUSTER_RETURN_IF_ERROR(study.Import(trial.params, trial.outcome, weight * trial.weight));
  }
  return object{{"trials", table.trials.size()}, {"left_out", table.left_out}};
}

Answered OnImport(Study& study, const object& request) {
  double weight = 1;
  if (const auto* given = request.if_contains("weight")) {
    MUSTER_ASSIGN_OR_RETURN(weight, Number(*given, "weight"));
  }
  if (request.contains("csv")) return ImportTable(study, request, weight);
  MUSTER_ASSIGN_OR_RETURN(const auto json, ObjectAt(request, "params"));
  auto params = ParamsFromJson(json);
  if (!params.ok()) return params.error().With("at params");
  MUSTER_ASSIGN_OR_RETURN(const Outcome outcome, OutcomeOf(request));
  MUSTER_RETURN_IF_ERROR(study.Import(*params, outcome, weight));
  return object{};
}

Answered OnTrials(Study& study, const object& /*request*/) {
  array trials;
  for (const Trial& trial : study.history().trials()) {
    object json{{"trial", trial.number},
                {"state", NameOf(trial.state)},
                {"params", ParamsToJson(trial.params)}};
    array values;
    for (std::size_t i = 0; i < trial.losses.size(); ++i) {
      values.push_back(JsonOf(ValueOf(trial.losses[i], study.history().goals()[i])));
    }
    if (!values.empty()) json["values"] = std::move(values);
    trials.push_back(std::move(json));
  }
  return object{{"trials", std::move(trials)}};
}

Answered OnCheckpoints(Study& study, const object& /*request*/) {
  array trials;
  for (const std::int64_t trial : study.Checkpoints()) trials.push_back(trial);
  return object{{"trials", std::move(trials)}};
}

Answered OnExplain(Study& study, const object& /*request*/) {
  return object{{"text", study.Explain()}};
}

Answered OnLookBack(Study& study, const object& request) {
  MUSTER_ASSIGN_OR_RETURN(auto metrics, Metrics(study, request));
  return LookBack({study.spec(), study.history(), std::move(metrics), {}},
                  request.at("op").get_string(), request);
}

/// The verdict by its name; kContinue for another.
Verdict VerdictOf(const value& json) {
  for (const Verdict verdict : {Verdict::kStop, Verdict::kPause}) {
    if (json.is_string() && json.get_string() == NameOf(verdict)) return verdict;
  }
  return Verdict::kContinue;
}

Status ReplayAsk(Study& study, const object& answer) {
  Asked asked;
  MUSTER_ASSIGN_OR_RETURN(asked.trial, TrialOf(answer));
  MUSTER_ASSIGN_OR_RETURN(const auto params, ObjectAt(answer, "params"));
  MUSTER_ASSIGN_OR_RETURN(asked.params, ParamsFromJson(params));
  MUSTER_ASSIGN_OR_RETURN(asked.by, TextAt(answer, "by", ""));
  bool follows = asked.trial == study.history().size();
  if (answer.contains("from")) {
    MUSTER_ASSIGN_OR_RETURN(const auto from, ObjectAt(answer, "from"));
    asked.from.emplace();
    MUSTER_ASSIGN_OR_RETURN(asked.from->trial, TrialOf(from));
    MUSTER_ASSIGN_OR_RETURN(asked.from->step, IntegerOr(from, "step", 0, 0, "from"));
    follows = follows || (asked.from->trial == asked.trial && study.history().Has(asked.trial) &&
                          study.history().At(asked.trial).state == TrialState::kPaused);
  }
  if (!follows) return Corrupt("trial " + std::to_string(asked.trial) + " does not come next");
  study.Replay(asked);
  return Ok();
}

Status ReplayReport(Study& study, const object& request, const object& answer) {
  MUSTER_ASSIGN_OR_RETURN(const auto trial, TrialOf(request));
  MUSTER_ASSIGN_OR_RETURN(const auto step, IntegerOr(request, "step", 0, 0, "report"));
  MUSTER_ASSIGN_OR_RETURN(const auto values, Objectives(request));
  if (!study.VerdictOn(trial).ok() || values.empty() ||
      values.size() > study.history().goals().size() || !answer.contains("verdict")) {
    return Corrupt("a report of trial " + std::to_string(trial) + " does not come next");
  }
  study.ReplayReport(trial, step, values, VerdictOf(answer.at("verdict")));
  return Ok();
}

struct Verb {
  std::string_view name;
  std::initializer_list<std::string_view> fields;  ///< beside op, id and study
  Answered (*answer)(Study&, const object&);
  bool changes = true;  ///< the study
};

const std::array kVerbs{
    Verb{"ask", {}, OnAsk},
    Verb{"report", {"trial", "step", "value", "values"}, OnReport},
    Verb{"should-stop", {"trial"}, OnShouldStop, false},
    Verb{"tell", {"trial", "value", "values", "constraints", "state"}, OnTell},
    Verb{"enqueue", {"params"}, OnEnqueue},
    Verb{"import",
         {"params", "value", "values", "constraints", "state", "weight", "csv", "metrics"},
         OnImport},
    Verb{"trials", {}, OnTrials, false},
    Verb{"checkpoints", {}, OnCheckpoints, false},
    Verb{"explain", {}, OnExplain, false},
    Verb{"importance", {"method", "objective"}, OnLookBack, false},
    Verb{"dependence", {"params", "objective"}, OnLookBack, false},
    Verb{"best", {"objective"}, OnLookBack, false},
    Verb{"front", {}, OnLookBack, false},
    Verb{"export", {"metrics"}, OnLookBack, false},
};

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

Result<Study> Create(const object& request) {
  MUSTER_RETURN_IF_ERROR(CheckFields(
      request, {"space", "constraints", "seed", "goal", "sampler", "stop", "trials", "parallel"}));
  SearchSpec spec;
  MUSTER_ASSIGN_OR_RETURN(const auto space, ObjectAt(request, "space"));
  if (space.empty()) return Invalid("at space: missing; wanted {name: {float: [low, high]}, ...}");
  MUSTER_ASSIGN_OR_RETURN(const auto constraints, Texts(request, "constraints"));
  auto parsed = ParseSpace(space, constraints);
  if (!parsed.ok()) return parsed.error().With("at space");
  spec.space = std::move(parsed).value();
  MUSTER_ASSIGN_OR_RETURN(spec.goals, Goals(request));
  MUSTER_ASSIGN_OR_RETURN(spec.sampler, TextAt(request, "sampler", "auto"));
  MUSTER_ASSIGN_OR_RETURN(spec.stop, ObjectAt(request, "stop"));
  MUSTER_ASSIGN_OR_RETURN(const auto seed, IntegerOr(request, "seed", 0, 0, "study"));
  spec.seed = static_cast<std::uint64_t>(seed);
  MUSTER_ASSIGN_OR_RETURN(spec.trials, IntegerOr(request, "trials", 0, 0, "study"));
  MUSTER_ASSIGN_OR_RETURN(spec.parallel, IntegerOr(request, "parallel", 0, 0, "study"));
  return Study::Make(std::move(spec));
}

}  // namespace

Result<object> AskTell::Answer(const object& request) {
  MUSTER_ASSIGN_OR_RETURN(const std::string op, TextAt(request, "op", ""));
  MUSTER_ASSIGN_OR_RETURN(const std::string name, TextAt(request, "study", ""));
  const auto study = studies_.find(name);
  const std::string shown = name.empty() ? "without a name" : "'" + name + "'";
  if (op == "create") {
    if (study != studies_.end()) return AlreadyExists("at study: there is one " + shown);
    MUSTER_ASSIGN_OR_RETURN(auto made, Create(request));
    studies_.emplace(name, std::move(made));
    return object{{"study", name}};
  }
  std::string wanted = "create, drop";
  for (const Verb& verb : kVerbs) wanted.append(", ").append(verb.name);
  const auto* verb = std::ranges::find(kVerbs, op, &Verb::name);
  if (op != "drop" && verb == kVerbs.end()) {
    return Invalid("at op: wanted one of " + wanted + "; got " + (op.empty() ? "nothing" : op));
  }
  if (study == studies_.end()) return NotFound("at study: there is none " + shown + "; create it");
  if (op == "drop") {
    studies_.erase(study);
    return object{};
  }
  MUSTER_RETURN_IF_ERROR(CheckFields(request, verb->fields));
  return verb->answer(study->second, request);
}

bool AskTell::Changes(const object& request) {
  const auto* op = request.if_contains("op");
  if (op == nullptr || !op->is_string()) return false;
  const auto* verb = std::ranges::find(kVerbs, std::string_view(op->get_string()), &Verb::name);
  return verb == kVerbs.end() || verb->changes;
}

const Study* AskTell::Find(std::string_view name) const {
  const auto found = studies_.find(name);
  return found == studies_.end() ? nullptr : &found->second;
}

Status AskTell::Replay(const object& request, const object& answer) {
  MUSTER_ASSIGN_OR_RETURN(const std::string op, TextAt(request, "op", ""));
  MUSTER_ASSIGN_OR_RETURN(const std::string name, TextAt(request, "study", ""));
  const auto study = studies_.find(name);
  if (study != studies_.end() && op == "ask") return ReplayAsk(study->second, answer);
  if (study != studies_.end() && op == "report")
    return ReplayReport(study->second, request, answer);
  const auto again = Answer(request);
  return again.ok() ? Ok()
                    : Status(Corrupt(op + " cannot be done again: " + again.error().message));
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
