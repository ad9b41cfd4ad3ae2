#include "tracker/run_rules.h"

namespace muster::tracker {

namespace {

using filter::Field;
using filter::Grammar;
using filter::Ops;
using filter::Type;

Field Text(std::string_view key, Ops ops, std::vector<std::string> aliases = {}) {
  return {
      .entity = "attribute", .key = std::string(key), .ops = ops, .aliases = std::move(aliases)};
}

Field Number(std::string_view key, std::vector<std::string> aliases = {}) {
  return {.entity = "attribute",
          .key = std::string(key),
          .type = Type::kNumber,
          .ops = filter::kCompareOps,
          .aliases = std::move(aliases)};
}

/// Its other spellings are for filters alone.
Field RunName() {
  Field field = Text("run_name", filter::kTextOps, {"run name", "Run name", "Run Name"});
  field.sortable_by_alias = false;
  return field;
}

/// Any key of metrics, params or tags.
Field Any(std::string_view entity, Type type, Ops ops, bool sortable) {
  return {.entity = std::string(entity), .key = "", .type = type, .ops = ops, .sortable = sortable};
}

Field DatasetText(std::string_view key) {
  return {.entity = "dataset",
          .key = std::string(key),
          .ops = filter::kTextOps | filter::kListOps,
          .sortable = false};
}

}  // namespace

const Grammar& RunGrammar() {
  constexpr Ops kKeyed = filter::kTextOps | filter::kNullOps;
  static const Grammar grammar = {filter::Dialect::kRuns,
                                  {
                                      Any("metric", Type::kNumber, filter::kCompareOps, true),
                                      Any("param", Type::kText, kKeyed, true),
                                      Any("tag", Type::kText, kKeyed, true),
                                      Text("run_id", filter::kTextOps | filter::kListOps),
                                      RunName(),
                                      Text("status", filter::kTextOps),
                                      Text("user_id", filter::kTextOps),
                                      Text("artifact_uri", filter::kTextOps),
                                      Number("start_time", {"created", "Created"}),
                                      Number("end_time"),
                                      DatasetText("name"),
                                      DatasetText("digest"),
                                      DatasetText("context"),
                                  }};
  return grammar;
}

const Grammar& ExperimentGrammar() {
  using filter::Op;
  static const Grammar grammar = {
      filter::Dialect::kExperiments,
      {
          Text("name", filter::kTextOps),
          Text("experiment_id", Bit(Op::kEqual) | Bit(Op::kNotEqual) | filter::kListOps),
          Number("creation_time"),
          Number("last_update_time"),
          Any("tag", Type::kText, filter::kTextOps | filter::kNullOps, false),
      }};
  return grammar;
}

const Grammar& LoggedModelGrammar() {
  using filter::Op;
  constexpr Ops kText = filter::kTextOps | filter::kListOps;
  static const Grammar grammar = {
      filter::Dialect::kLoggedModels,
      {
          Text("name", kText),
          Text("model_id", kText),
          Text("model_type", kText),
          Text("source_run_id", kText),
          Text("status", Bit(Op::kEqual) | Bit(Op::kNotEqual) | filter::kListOps),
          Number("creation_timestamp", {"creation_time", "creation_timestamp_ms"}),
          Number("last_updated_timestamp", {"last_updated_timestamp_ms"}),
          Any("metric", Type::kNumber, filter::kCompareOps, true),
          Any("param", Type::kText, filter::kTextOps, false),
          Any("tag", Type::kText, filter::kTextOps, false),
      }};
  return grammar;
}

}  // namespace muster::tracker
