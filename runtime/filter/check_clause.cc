#include <charconv>

#include "runtime/filter/parse_steps.h"
#include "runtime/filter/python_text.h"

namespace muster::filter::internal {

namespace {

// As Python prints these sets, in no order.
constexpr std::string_view kNumeric = "'!=', '<', '<=', '=', '>', '>='";
constexpr std::string_view kTexts = "'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'";
constexpr std::string_view kLists = "'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN'";

/// The closing quote is missing in some of MLflow's texts.
Error NotOneOf(std::string_view op, std::string_view set, std::string_view end) {
  return Invalid("Invalid comparator '" + std::string(op) + "' not one of '{" + std::string(set) +
                 "}" + std::string(end));
}

Error OpOfRuns(std::string_view op, const Name& name) {
  if (name.entity == "metric") return NotOneOf(op, kNumeric, "");
  if (name.entity == "param") return NotOneOf(op, kTexts, "'");
  if (name.entity == "tag") return NotOneOf(op, kTexts, "");
  if (name.entity == "dataset") return NotOneOf(op, kLists, "");
  return NotOneOf(op, kLists, name.field->type == Type::kNumber ? "" : "'");
}

Error OpOfExperiments(std::string_view op, const Name& name) {
  if (name.entity == "tag") return Invalid("Invalid comparator for tag: " + std::string(op));
  if (name.key == "experiment_id") {
    return Invalid("Invalid comparator for experiment_id: " + std::string(op));
  }
  return NotOneOf(op, kLists, name.field->type == Type::kNumber ? "" : "'");
}

Error OpOfModels(std::string_view op, const Name& name) {
  const bool number = name.field->type == Type::kNumberOrQuoted;
  return Invalid("Invalid comparator for " + std::string(name.entity) +
                 (number ? " " + name.key : "") + ": " + std::string(op));
}

Error WrongOp(std::string_view op, const Name& name, Dialect dialect) {
  if (dialect == Dialect::kRuns) return OpOfRuns(op, name);
  if (dialect == Dialect::kExperiments) return OpOfExperiments(op, name);
  return OpOfModels(op, name);
}

bool IsInteger(std::string_view text) {
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && stop == text.data() + text.size();
}

/// Numbers of experiments and versions are whole; those of versions may be quoted.
Status CheckWhole(const Clause& clause, const Name& name, const Grammar& grammar) {
  if (name.field->type == Type::kText || grammar.dialect == Dialect::kRuns) return Ok();
  if (IsInteger(clause.text)) return Ok();
  std::string shown = PythonRepr(clause.text);
  if (clause.type == Type::kNumber) {
    const std::string number = PythonRepr(NumberOf(clause.text));
    shown = grammar.dialect == Dialect::kExperiments ? PythonRepr(number) : number;
  }
  return Invalid("Invalid value for numeric attribute '" + name.key + "': " + shown);
}

Status CheckExperimentId(std::string_view text) {
  if (IsInteger(text)) return Ok();
  return Invalid("Invalid experiment ID '" + std::string(text) +
                 "'. Experiment ID must be a valid integer.");
}

}  // namespace

Status CheckClause(std::string_view op, const Name& name, const Grammar& grammar, Clause& clause) {
  const std::string text = Upper(op);
  const auto known = OpFromText(text);
  if (!known || !(name.field->ops & Bit(*known))) return WrongOp(text, name, grammar.dialect);
  clause.op = *known;
  const bool list = (Bit(clause.op) & kListOps) != 0;
  if (list == clause.list.empty()) return WrongOp(text, name, grammar.dialect);
  if (clause.op == Op::kIsNull || clause.op == Op::kIsNotNull) return Ok();
  if (grammar.dialect == Dialect::kExperiments && name.key == "experiment_id") {
    for (const std::string& id : clause.list) MUSTER_RETURN_IF_ERROR(CheckExperimentId(id));
    return list ? Ok() : CheckExperimentId(clause.text);
  }
  if (name.entity == "attribute" && !list)
    MUSTER_RETURN_IF_ERROR(CheckWhole(clause, name, grammar));
  const bool pattern = clause.op == Op::kLike || clause.op == Op::kIlike;
  if (pattern && clause.text.size() > kMaxPatternBytes) {
    return Invalid("Invalid filter string: a pattern of more than " +
                   std::to_string(kMaxPatternBytes) + " bytes for '" + clause.key + "'");
  }
  return Ok();
}

}  // namespace muster::filter::internal
