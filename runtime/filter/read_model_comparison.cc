#include <algorithm>
#include <array>

#include "runtime/filter/parse_steps.h"
#include "runtime/filter/python_text.h"

namespace muster::filter::internal {

namespace {

constexpr std::array<std::string_view, 6> kNumericOps = {"<", "<=", ">", ">=", "=", "!="};
constexpr std::array<std::string_view, 6> kTextOpTexts = {"=",     "!=", "LIKE",
                                                          "ILIKE", "IN", "NOT IN"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kEntities = {
    {{"attributes", "attribute"}, {"metrics", "metric"}, {"params", "param"}, {"tags", "tag"}}};

std::string_view Stripped(std::string_view text, char quote) {
  while (text.starts_with(quote)) text.remove_prefix(1);
  while (text.ends_with(quote)) text.remove_suffix(1);
  return text;
}

/// "metrics.acc" of what is written before its dot, in lower case; all else is an attribute.
Result<Name> ReadModelName(std::string_view text, const Grammar& grammar) {
  Name name{.entity = "attribute", .key = std::string(Stripped(text, '`'))};
  const std::size_t dot = text.find('.');
  const std::string_view word = text.substr(0, dot);
  const bool dotted = dot != text.npos && dot > 0 && dot + 1 < text.size() &&
                      std::ranges::all_of(word, [](char c) { return c >= 'a' && c <= 'z'; });
  if (dotted) {
    const auto* found =
        std::ranges::find(kEntities, word, &std::pair<std::string_view, std::string_view>::first);
    if (found == kEntities.end()) {
      return Invalid("Invalid entity type: " + PythonRepr(word) +
                     ". Expected one of ['attributes', 'metrics', 'params', 'tags'].");
    }
    name = {std::string(found->second), std::string(Stripped(text.substr(dot + 1), '`'))};
  }
  for (const Field& field : grammar.fields) {
    const bool alias = std::ranges::find(field.aliases, name.key) != field.aliases.end();
    if (field.entity == name.entity && (field.key.empty() || field.key == name.key || alias)) {
      name.field = &field;
      return name;
    }
  }
  return Invalid("Invalid attribute key '" + name.key + "' specified.");
}

Error WrongModelOp(std::string_view typed, const Name& name, std::string_view op,
                   std::span<const std::string_view> ops) {
  std::vector<std::string> valid(ops.begin(), ops.end());
  const std::string plural = name.entity == "attribute" ? "attributes" : name.entity + "s";
  // MLflow's messages have the column's name where no entity is typed before the key.
  const bool time = typed.find('.') == typed.npos && name.field->type == Type::kNumber &&
                    name.entity == "attribute";
  const std::string key =
      time && !name.field->aliases.empty() ? name.field->aliases.back() : name.key;
  return Invalid("Invalid comparison operator for " + plural + "." + key + ": " + PythonRepr(op) +
                 ". Expected one of (" + PythonItems(valid) + ").");
}

}  // namespace

Result<Clause> ReadModelComparison(const Group& group, const Grammar& grammar) {
  if (group.parts.size() != 3) {
    return Invalid("Invalid comparison: " + std::string(group.parts[0].text) +
                   std::string(group.parts[1].text) + ". Expected a comparison with 3 tokens.");
  }
  const std::string op = Upper(group.parts[1].text);
  MUSTER_ASSIGN_OR_RETURN(const Name name, ReadModelName(group.parts[0].text, grammar));
  const bool number = name.field->type == Type::kNumber;
  const std::span<const std::string_view> ops =
      number ? std::span<const std::string_view>(kNumericOps) : kTextOpTexts;
  if (std::ranges::find(ops, op) == ops.end())
    return WrongModelOp(group.parts[0].text, name, op, ops);
  Clause clause{.entity = name.entity,
                .key = name.field->key.empty() ? name.key : name.field->key,
                .op = OpFromText(op).value_or(Op::kEqual)};
  const Piece& value = group.parts[2];
  if (number) {
    clause.type = Type::kNumber;
    clause.number = NumberOf(value.text);
    if (value.kind == Kind::kInteger || value.kind == Kind::kFloat) return clause;
    return Invalid("could not convert string to float: " + PythonRepr(value.text));
  }
  if (Bit(clause.op) & kListOps) {
    MUSTER_ASSIGN_OR_RETURN(clause.list, ReadList(value.text));
  } else if (value.kind == Kind::kList) {
    return WrongModelOp(group.parts[0].text, name, op, ops);
  } else {
    clause.text = Stripped(value.text, '\'');
  }
  return clause;
}

Status CheckModelClause(const Clause& clause) {
  if (clause.entity != "attribute" || clause.key != "status") return Ok();
  if (clause.op == Op::kLike || clause.op == Op::kIlike) {
    return Invalid("Invalid comparison operator for status: " + std::string(OpText(clause.op)));
  }
  static constexpr std::array<std::string_view, 4> kStatuses = {"UNSPECIFIED", "PENDING", "READY",
                                                                "FAILED"};
  const bool list = (Bit(clause.op) & kListOps) != 0;
  const auto known = [](const std::string& status) {
    return std::ranges::find(kStatuses, status) != kStatuses.end();
  };
  if (list ? std::ranges::all_of(clause.list, known) : known(clause.text)) return Ok();
  // A tuple of one prints with a comma at its end.
  const std::string comma = clause.list.size() == 1 ? ",)" : ")";
  return Invalid("Unknown model status in filter: " +
                 (list ? "(" + PythonItems(clause.list) + comma : PythonRepr(clause.text)));
}

}  // namespace muster::filter::internal
