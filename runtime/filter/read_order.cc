#include <algorithm>
#include <vector>

#include "runtime/filter/parse_steps.h"

namespace muster::filter::internal {

namespace {

Error NotParsed(const std::string& item) {
  return Invalid("Invalid order_by clause '" + item + "'. Could not be parsed.");
}

/// The identifier without the quotes that a shell would take off, where a direction follows it (as in MLflow).
std::string ShellWord(std::string_view text) {
  std::string word;
  for (const char c : text) {
    if (c != '`' && c != '"' && c != '\'') word += c;
  }
  return word;
}

struct Parts {
  std::string identifier, direction;
};

/// One identifier, and at most one more word behind a space.
Result<Parts> Split(const std::string& item) {
  const auto groups = ReadGroups(item);
  const bool framed =
      groups.empty() || groups.front().text.data() != item.data() ||
      groups.back().text.data() + groups.back().text.size() != item.data() + item.size();
  if (framed || groups.size() > 2 || groups[0].kind != Kind::kIdentifier) return NotParsed(item);
  if (groups.size() == 1) return Parts{std::string(groups[0].text), ""};
  if (groups[1].kind != Kind::kIdentifier) return NotParsed(item);
  return Parts{ShellWord(groups[0].text), std::string(groups[1].text)};
}

Result<Name> ModelName(const std::string& key, const Grammar& grammar) {
  for (const Field& field : grammar.fields) {
    const bool spelled =
        key == field.key || std::ranges::find(field.aliases, key) != field.aliases.end();
    if (field.sortable && spelled) return Name{field.entity, key, &field};
  }
  return Invalid("Invalid order by key '" + key +
                 "' specified. Valid keys are '{'name', 'timestamp'}'");
}

/// What orders model versions: a tag's name means the attribute of that name, as in MLflow.
Result<Name> VersionName(const std::string& key, const Grammar& grammar) {
  MUSTER_ASSIGN_OR_RETURN(Name name, ReadName(key, grammar, Use::kOrder));
  if (name.entity != "tag") return name;
  for (const Field& field : grammar.fields) {
    if (field.sortable && field.key == name.key) return Name{field.entity, name.key, &field};
  }
  return Invalid("Invalid order by key '" + name.key +
                 "' specified. Valid keys are {'creation_timestamp', 'last_updated_timestamp', "
                 "'name', 'version_number'}");
}

Result<Name> NameOf(const std::string& key, const Grammar& grammar) {
  if (grammar.dialect == Dialect::kRegisteredModels) return ModelName(key, grammar);
  if (grammar.dialect == Dialect::kModelVersions) return VersionName(key, grammar);
  return ReadName(key, grammar, Use::kOrder);
}

/// "<field> ASC" or "<field> DESC": the field comes apart from its direction there, so it may have spaces.
Result<Order> ModelOrder(const std::string& item, const Grammar& grammar) {
  const std::size_t space = std::min(item.rfind(' '), item.size());
  const std::string field = item.substr(0, space);
  const bool ascending = item.substr(space) != " DESC";
  const std::string refusal = "Invalid order by field name: " + field;
  if (const std::size_t dot = field.find('.'); dot != field.npos) {
    if (field.substr(0, dot) != "metrics") {
      return Invalid(refusal + ". Only metrics are supported.");
    }
    return Order{"metric", field.substr(dot + 1), ascending};
  }
  for (const Field& known : grammar.fields) {
    const bool alias = std::ranges::find(known.aliases, field) != known.aliases.end();
    if (known.entity == "attribute" && (known.key == field || alias)) {
      return Order{known.entity, known.key, ascending};
    }
  }
  return Invalid(refusal);
}

}  // namespace

Result<Order> ReadOrder(const std::string& item, const Grammar& grammar) {
  if (grammar.dialect == Dialect::kLoggedModels) return ModelOrder(item, grammar);
  MUSTER_ASSIGN_OR_RETURN(const Parts parts, Split(item));
  const std::string direction = Upper(parts.direction);
  if (!direction.empty() && direction != "ASC" && direction != "DESC") {
    return Invalid("Invalid ordering key in order_by clause '" + item + "'.");
  }
  MUSTER_ASSIGN_OR_RETURN(const Name name, NameOf(parts.identifier, grammar));
  if (!name.field->sortable) {
    return Invalid(grammar.dialect == Dialect::kRuns
                       ? "Invalid identifier type '" + name.entity + "'"
                       : "Invalid order_by entity: " + name.entity);
  }
  return Order{name.entity, name.field->key.empty() ? name.key : name.field->key,
               direction != "DESC"};
}

}  // namespace muster::filter::internal
