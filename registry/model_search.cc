#include "registry/model_search.h"

#include <algorithm>
#include <compare>
#include <set>

namespace muster::registry {
namespace {

using filter::Clause;
using filter::Op;

constexpr std::string_view kPromptTag = "mlflow.prompt.is_prompt";
constexpr std::int64_t kModelsMax = 1'000;
constexpr std::int64_t kVersionsMax = 200'000;

const filter::Grammar& Models() {
  static const filter::Grammar grammar = {
      filter::Dialect::kRegisteredModels,
      {
          {.entity = "attribute",
           .key = "name",
           .ops = filter::kTextOps | filter::kListOps,
           .aliases = {}},
          {.entity = "attribute",
           .key = "last_updated_timestamp",
           .type = filter::Type::kNumber,
           .ops = 0,
           .aliases = {"timestamp"}},
          {.entity = "tag", .key = "", .ops = filter::kTextOps, .sortable = false, .aliases = {}},
      }};
  return grammar;
}

const filter::Grammar& Versions() {
  static const filter::Grammar grammar = {
      filter::Dialect::kModelVersions,
      {
          {.entity = "attribute",
           .key = "name",
           .ops = filter::kTextOps | filter::kListOps,
           .aliases = {}},
          {.entity = "attribute",
           .key = "run_id",
           .ops = filter::kTextOps | filter::kListOps,
           .sortable = false,
           .aliases = {}},
          {.entity = "attribute", .key = "source_path", .sortable = false, .aliases = {}},
          {.entity = "attribute",
           .key = "version_number",
           .type = filter::Type::kNumberOrQuoted,
           .ops = filter::kCompareOps,
           .aliases = {}},
          {.entity = "attribute",
           .key = "creation_timestamp",
           .type = filter::Type::kNumber,
           .ops = 0,
           .aliases = {}},
          {.entity = "attribute",
           .key = "last_updated_timestamp",
           .type = filter::Type::kNumber,
           .ops = 0,
           .aliases = {}},
          {.entity = "tag", .key = "", .ops = filter::kTextOps, .sortable = false, .aliases = {}},
      }};
  return grammar;
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

bool AsksForPrompts(const std::vector<Clause>& clauses) {
  for (const Clause& clause : clauses) {
    if (clause.entity != "tag" || clause.key != kPromptTag) continue;
    return (clause.op == Op::kEqual && Lower(clause.text) == "true") ||
           (clause.op == Op::kNotEqual && Lower(clause.text) == "false");
  }
  return false;
}

Result<ModelSearch> Parse(const ModelQuery& query, const filter::Grammar& grammar,
                          std::int64_t most) {
  const bool no_page = query.max_results < 1;
  const Error wrong_page =
      Invalid("Invalid value for max_results. It must be a positive integer, but got " +
              std::to_string(query.max_results));
  // MLflow looks at this first in a search for versions only.
  if (no_page && grammar.dialect == filter::Dialect::kModelVersions) return wrong_page;
  if (query.max_results > most) {
    return Invalid("Invalid value for request parameter max_results. It must be at most " +
                   std::to_string(most) + ", but got value " + std::to_string(query.max_results));
  }
  ModelSearch search;
  search.limit = query.max_results;
  MUSTER_ASSIGN_OR_RETURN(
      auto parsed, filter::ParseQuery(query.filter, query.order_by, query.page_token, grammar));
  search.clauses = std::move(parsed.clauses);
  search.order = std::move(parsed.orders);
  search.offset = parsed.offset;
  if (no_page) return wrong_page;
  return search;
}

const std::string* FindTag(const std::vector<Tag>& tags, std::string_view key) {
  for (const Tag& tag : tags) {
    if (tag.key == key) return &tag.value;
  }
  return nullptr;
}

bool IsPrompt(const std::vector<Tag>& tags) {
  const std::string* value = FindTag(tags, kPromptTag);
  return value != nullptr && *value == "true";
}

std::int64_t UpdatedOf(const RegisteredModel& model) { return model.last_updated_ms; }
std::int64_t UpdatedOf(const ModelVersion& version) { return version.last_updated_ms; }

bool MatchesAttribute(const Clause& clause, const RegisteredModel& model) {
  return filter::Matches(clause, std::optional<std::string_view>(model.name));
}

bool MatchesAttribute(const Clause& clause, const ModelVersion& version) {
  if (clause.key == "version_number") {
    return filter::Matches(clause, std::optional(static_cast<double>(version.version)));
  }
  const std::string& text = clause.key == "name"     ? version.name
                            : clause.key == "run_id" ? version.run_id
                                                     : version.source;
  return filter::Matches(clause, std::optional<std::string_view>(text));
}

template <typename T>
bool MatchesAll(const std::vector<Clause>& clauses, const T& thing, bool prompts) {
  return std::all_of(clauses.begin(), clauses.end(), [&](const Clause& clause) {
    if (clause.entity != "tag") return MatchesAttribute(clause, thing);
    // Which of the two kinds is searched was settled before; models do not carry the tag at all.
    if (clause.key == kPromptTag && !prompts) return true;
    const std::string* value = FindTag(thing.tags, clause.key);
    return filter::Matches(
        clause, value == nullptr ? std::nullopt : std::optional<std::string_view>(*value));
  });
}

std::strong_ordering CompareBy(const std::string& key, const RegisteredModel& a,
                               const RegisteredModel& b) {
  if (key == "name") return a.name <=> b.name;
  return UpdatedOf(a) <=> UpdatedOf(b);
}

std::strong_ordering CompareBy(const std::string& key, const ModelVersion& a,
                               const ModelVersion& b) {
  if (key == "name") return a.name <=> b.name;
  if (key == "version_number") return a.version <=> b.version;
  if (key == "creation_timestamp") return a.creation_ms <=> b.creation_ms;
  return UpdatedOf(a) <=> UpdatedOf(b);
}

template <typename T>
ModelPage<T> SortAndCut(std::vector<T> items, const ModelSearch& search) {
  std::sort(items.begin(), items.end(), [&](const T& a, const T& b) {
    for (const filter::Order& order : search.order) {
      const auto compared = CompareBy(order.key, a, b);
      if (compared != 0) return order.ascending ? compared < 0 : compared > 0;
    }
    return false;
  });
  ModelPage<T> page;
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t begin = std::min(search.offset, size);
  const std::int64_t end = begin + std::min(search.limit, size - begin);
  if (end < size) page.next_page_token = filter::PageToken(end);
  page.items.assign(std::make_move_iterator(items.begin() + begin),
                    std::make_move_iterator(items.begin() + end));
  return page;
}

void AddOrder(ModelSearch& search, std::string_view key, bool ascending) {
  for (const filter::Order& order : search.order) {
    if (order.key == key) return;
  }
  search.order.push_back({"attribute", std::string(key), ascending});
}

}  // namespace

std::optional<std::string> ModelSearch::only_name() const {
  for (const Clause& clause : clauses) {
    if (clause.entity == "attribute" && clause.key == "name" && clause.op == Op::kEqual)
      return clause.text;
  }
  return std::nullopt;
}

Result<ModelSearch> ParseModelSearch(const ModelQuery& query) {
  MUSTER_ASSIGN_OR_RETURN(ModelSearch search, Parse(query, Models(), kModelsMax));
  AddOrder(search, "name", true);
  return search;
}

Result<ModelSearch> ParseVersionSearch(const ModelQuery& query) {
  MUSTER_ASSIGN_OR_RETURN(ModelSearch search, Parse(query, Versions(), kVersionsMax));
  if (search.order.empty()) AddOrder(search, "last_updated_timestamp", false);
  AddOrder(search, "name", true);
  AddOrder(search, "version_number", false);
  return search;
}

ModelPage<RegisteredModel> Search(std::vector<RegisteredModel> models, const ModelSearch& search) {
  const bool prompts = AsksForPrompts(search.clauses);
  std::erase_if(models, [&](const RegisteredModel& model) {
    return (!prompts && IsPrompt(model.tags)) || !MatchesAll(search.clauses, model, prompts);
  });
  return SortAndCut(std::move(models), search);
}

ModelPage<ModelVersion> Search(std::vector<ModelVersion> versions, const ModelSearch& search) {
  const bool prompts = AsksForPrompts(search.clauses);
  std::set<std::string> prompt_names;  // one version with the tag makes all of its model prompts
  for (const ModelVersion& version : versions) {
    if (!prompts && IsPrompt(version.tags)) prompt_names.insert(version.name);
  }
  std::erase_if(versions, [&](const ModelVersion& version) {
    return prompt_names.contains(version.name) || !MatchesAll(search.clauses, version, prompts);
  });
  return SortAndCut(std::move(versions), search);
}

}  // namespace muster::registry
