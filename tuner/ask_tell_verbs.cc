#include "tuner/ask_tell_verbs.h"

#include <algorithm>
#include <array>

#include "tuner/ask_tell_fields.h"
#include "tuner/ask_tell_insight.h"
#include "tuner/json.h"
#include "tuner/trial_table.h"

namespace muster::tuner {
namespace {

using boost::json::array;
using boost::json::object;
using Answered = Result<object>;

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

struct Verb {
  std::string_view name;
  std::initializer_list<std::string_view> fields;  ///< beside op, id and study
  Answered (*answer)(Study&, const object&);
};

const std::array kVerbs{
    Verb{"ask", {}, OnAsk},
    Verb{"report", {"trial", "step", "value", "values"}, OnReport},
    Verb{"should-stop", {"trial"}, OnShouldStop},
    Verb{"tell", {"trial", "value", "values", "constraints", "state"}, OnTell},
    Verb{"enqueue", {"params"}, OnEnqueue},
    Verb{"import",
         {"params", "value", "values", "constraints", "state", "weight", "csv", "metrics"},
         OnImport},
    Verb{"trials", {}, OnTrials},
    Verb{"checkpoints", {}, OnCheckpoints},
    Verb{"explain", {}, OnExplain},
    Verb{"importance", {"method", "objective"}, OnLookBack},
    Verb{"dependence", {"params", "objective"}, OnLookBack},
    Verb{"best", {"objective"}, OnLookBack},
    Verb{"front", {}, OnLookBack},
    Verb{"export", {"metrics"}, OnLookBack},
};

}  // namespace

Result<Study> CreateStudy(const object& request) {
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

Result<object> AnswerVerb(Study& study, std::string_view verb, const object& request) {
  const auto* found = std::ranges::find(kVerbs, verb, &Verb::name);
  if (found == kVerbs.end()) return Invalid("at op: wanted one of " + VerbNames());
  MUSTER_RETURN_IF_ERROR(CheckFields(request, found->fields));
  return found->answer(study, request);
}

bool IsVerb(std::string_view verb) {
  return std::ranges::find(kVerbs, verb, &Verb::name) != kVerbs.end();
}

std::string VerbNames() {
  std::string names;
  for (const Verb& verb : kVerbs) names.append(names.empty() ? "" : ", ").append(verb.name);
  return names;
}

}  // namespace muster::tuner
