#include <algorithm>
#include <array>

#include "runtime/filter/parse_steps.h"
#include "runtime/filter/python_text.h"

namespace muster::filter::internal {

namespace {

struct Spelling {
  std::string_view text, entity;
};
constexpr std::array<Spelling, 14> kOfRuns = {{{"metric", "metric"},
                                               {"metrics", "metric"},
                                               {"parameter", "param"},
                                               {"parameters", "param"},
                                               {"param", "param"},
                                               {"params", "param"},
                                               {"tag", "tag"},
                                               {"tags", "tag"},
                                               {"attribute", "attribute"},
                                               {"attributes", "attribute"},
                                               {"attr", "attribute"},
                                               {"run", "attribute"},
                                               {"dataset", "dataset"},
                                               {"datasets", "dataset"}}};
constexpr std::array<Spelling, 4> kOfExperiments = {
    {{"attribute", "attribute"}, {"attributes", "attribute"}, {"tag", "tag"}, {"tags", "tag"}}};
constexpr std::array<Spelling, 3> kOfModels = {
    {{"attribute", "attribute"}, {"tag", "tag"}, {"tags", "tag"}}};

bool IsQuoted(std::string_view text, char quote) {
  return text.size() >= 2 && text.front() == quote && text.back() == quote;
}

std::string_view WithoutQuotes(std::string_view text) {
  if (IsQuoted(text, '\'') || IsQuoted(text, '"')) text = text.substr(1, text.size() - 2);
  return IsQuoted(text, '`') ? text.substr(1, text.size() - 2) : text;
}

/// Orders of models and versions are read as those of experiments.
std::span<const Spelling> SpellingsOf(Dialect dialect, Use use) {
  if (dialect == Dialect::kRuns) return kOfRuns;
  if (dialect == Dialect::kExperiments || use == Use::kOrder) return kOfExperiments;
  return kOfModels;
}

Result<std::string> ReadEntity(std::string_view word, Dialect dialect, Use use) {
  if (dialect == Dialect::kRuns && IsQuoted(word, '`')) word = word.substr(1, word.size() - 2);
  std::vector<std::string> valid;
  for (const auto& [text, entity] : SpellingsOf(dialect, use)) {
    if (text == word) return std::string(entity);
    valid.emplace_back(text);
  }
  const std::string head = "Invalid entity type '" + std::string(word) + "'. ";
  if (dialect == Dialect::kRuns) {
    return Invalid(head +
                   "Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']");
  }
  return Invalid(head + "Valid entity types are (" + PythonItems(valid) + ")");
}

bool MayBe(const Field& field, Use use) {
  return use == Use::kOrder ? field.sortable : field.ops != 0;
}

bool Spells(const Field& field, std::string_view key, Use use) {
  if (field.key.empty() || field.key == key) return true;
  const bool by_alias = use == Use::kFilter || field.sortable_by_alias;
  return by_alias && std::ranges::find(field.aliases, key) != field.aliases.end();
}

/// As a Python set prints, in no order.
std::string ValidKeys(const Grammar& grammar, std::string_view entity, Use use) {
  std::vector<std::string> keys;
  for (const Field& field : grammar.fields) {
    if (field.entity != entity || (entity == "attribute" && !MayBe(field, use))) continue;
    keys.push_back(field.key);
    if (use == Use::kFilter || field.sortable_by_alias) {
      keys.insert(keys.end(), field.aliases.begin(), field.aliases.end());
    }
  }
  std::ranges::sort(keys);
  return "'{" + PythonItems(keys) + "}'";
}

}  // namespace

Result<Name> ReadName(std::string_view identifier, const Grammar& grammar, Use use) {
  Name name{.entity = "attribute", .key = std::string(identifier)};
  const std::size_t dot = identifier.find('.');
  if (dot != identifier.npos) {
    MUSTER_ASSIGN_OR_RETURN(name.entity,
                            ReadEntity(identifier.substr(0, dot), grammar.dialect, use));
    name.key = identifier.substr(dot + 1);
  }
  const bool of_models =
      grammar.dialect == Dialect::kRegisteredModels || grammar.dialect == Dialect::kModelVersions;
  // Those check an attribute's key with its quotes, which it then cannot have.
  const bool keep = of_models && use == Use::kFilter && name.entity == "attribute";
  if (!keep) name.key = std::string(WithoutQuotes(name.key));
  for (const Field& field : grammar.fields) {
    if (field.entity != name.entity || !Spells(field, name.key, use)) continue;
    if (name.entity == "attribute" && !MayBe(field, use)) continue;
    name.field = &field;
    return name;
  }
  return Invalid("Invalid " + name.entity + " key '" + name.key + "' specified. Valid keys are " +
                 ValidKeys(grammar, name.entity, use));
}

}  // namespace muster::filter::internal
