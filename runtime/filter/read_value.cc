#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <string>

#include "runtime/filter/parse_steps.h"
#include "runtime/filter/python_text.h"

namespace muster::filter::internal {

namespace {

bool IsNumber(const Piece& piece) {
  return piece.kind == Kind::kInteger || piece.kind == Kind::kFloat;
}
bool IsText(const Piece& piece) {
  return piece.kind == Kind::kString || piece.kind == Kind::kIdentifier;
}
bool OfModels(const Grammar& grammar) {
  return grammar.dialect == Dialect::kRegisteredModels ||
         grammar.dialect == Dialect::kModelVersions;
}

Status Unquoted(std::string_view text, Clause& clause) {
  if (text.size() >= 2 && text.front() == text.back() &&
      (text.front() == '\'' || text.front() == '"')) {
    clause.text = text.substr(1, text.size() - 2);
    return Ok();
  }
  return Invalid(
      "Parameter value is either not quoted or unidentified quote types used for string value " +
      std::string(text) + ". Use either single or double quotes.");
}

Status ReadNumber(const Piece& piece, Clause& clause) {
  clause.type = Type::kNumber;
  clause.number = NumberOf(piece.text);
  clause.text = piece.text;
  return Ok();
}

/// Which attributes may be compared with a list.
std::vector<std::string> ListKeys(const Grammar& grammar) {
  std::vector<std::string> keys;
  for (const Field& field : grammar.fields) {
    if (field.entity == "attribute" && (field.ops & kListOps)) keys.push_back(field.key);
  }
  std::ranges::sort(keys);
  return keys;
}

Status ReadAttribute(const Piece& piece, const Name& name, const Grammar& grammar, Clause& clause) {
  const std::string shown(piece.text);
  if (name.field->type == Type::kNumber) {
    if (IsNumber(piece)) return ReadNumber(piece, clause);
    return Invalid("Expected numeric value type for numeric attribute: " + name.key + ". Found " +
                   shown);
  }
  if (IsText(piece)) return Unquoted(piece.text, clause);
  if (piece.kind == Kind::kList) {
    const auto keys = ListKeys(grammar);
    if (std::ranges::find(keys, name.key) == keys.end()) {
      return Invalid("Only " + PythonList(keys) +
                     " attributes support comparison with a list of quoted string values.");
    }
    MUSTER_ASSIGN_OR_RETURN(clause.list, ReadList(piece.text));
    return Ok();
  }
  if (IsNumber(piece) && grammar.dialect == Dialect::kModelVersions) {
    if (name.field->type == Type::kNumberOrQuoted) return ReadNumber(piece, clause);
    return Invalid(
        "Only the '{'creation_timestamp', 'last_updated_timestamp', 'version_number'}' attributes "
        "support comparison with numeric values.");
  }
  return Invalid(OfModels(grammar)
                     ? "Expected a quoted string value or a list of quoted string values for "
                       "attributes. Got value " +
                           shown
                     : "Expected a quoted string value for attributes. Got value " + shown);
}

/// The list as Python prints the tuple that it reads from it.
std::string AsTuple(const std::vector<Group>& items) {
  std::vector<std::string> shown;
  for (const Group& item : items) {
    if (item.text == ",") continue;
    const bool string = item.kind == Kind::kString || item.text.front() == '"';
    shown.push_back(string ? PythonRepr(item.text.substr(1, item.text.size() - 2))
                           : std::string(item.text));
  }
  std::string tuple = "(";
  for (const std::string& item : shown) tuple += (tuple.size() > 1 ? ", " : "") + item;
  return tuple + (shown.size() == 1 ? ",)" : ")");
}

}  // namespace

double NumberOf(std::string_view text) {
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Result<std::vector<std::string>> ReadList(std::string_view text) {
  const auto items = ReadGroups(text.substr(1, text.size() - 2));
  std::vector<std::string> list;
  bool wants_comma = false;
  for (const Group& item : items) {
    if (wants_comma != (item.text == ",")) {
      return Invalid(
          "While parsing a list in the query, expected a non-empty list of string values, but got "
          "ill-formed list.");
    }
    wants_comma = !wants_comma;
    if (!wants_comma) continue;
    const bool quoted =
        item.kind == Kind::kString || (item.kind == Kind::kIdentifier && item.text.front() == '"');
    if (!quoted) {
      return Invalid(
          "While parsing a list in the query, expected string value, punctuation, or whitespace, "
          "but got different type in list: " +
          AsTuple(items));
    }
    list.emplace_back(item.text.substr(1, item.text.size() - 2));
  }
  if (!list.empty()) return list;
  return Invalid(
      "While parsing a list in the query, expected a non-empty list of string values, but got "
      "empty list");
}

Status ReadValue(const Piece& piece, const Name& name, const Grammar& grammar, Clause& clause) {
  const std::string shown(piece.text);
  if (name.entity == "metric") {
    if (IsNumber(piece)) return ReadNumber(piece, clause);
    return Invalid("Expected numeric value type for metric. Found " + shown);
  }
  if (name.entity == "attribute") return ReadAttribute(piece, name, grammar, clause);
  if (IsText(piece)) return Unquoted(piece.text, clause);
  if (name.entity != "dataset") {
    return Invalid("Expected a quoted string value for " +
                   std::string(name.entity == "param" ? "parameter" : "tag") +
                   " (e.g. 'my-value'). Got value " + shown);
  }
  if (piece.kind != Kind::kList) {
    return Invalid("Expected a quoted string value for dataset attributes. Got value " + shown);
  }
  MUSTER_ASSIGN_OR_RETURN(clause.list, ReadList(piece.text));
  return Ok();
}

}  // namespace muster::filter::internal
