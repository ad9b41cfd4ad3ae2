#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "runtime/filter/expression.h"
#include "tracker/memory_run_store.h"
#include "tracker/series/summary.h"

namespace muster::tracker {

namespace {

using filter::Clause;
using filter::Expression;
using filter::Grammar;
using filter::Order;

/// What a thing has under one name: a number, or texts (several for datasets). Nothing: it lacks the key.
struct Seen {
  std::optional<double> number;
  std::vector<std::string> texts;
};
template <typename T>
using Look = std::function<Seen(const T&, std::string_view entity, std::string_view key)>;

Seen Text(std::string text) { return {std::nullopt, {std::move(text)}}; }
Seen Number(std::int64_t number) { return {static_cast<double>(number), {}}; }

Seen TagOf(const std::vector<Tag>& tags, std::string_view key) {
  const auto tag = std::ranges::find(tags, key, &Tag::key);
  return tag == tags.end() ? Seen{} : Text(tag->value);
}

bool Holds(const Clause& clause, const Seen& seen) {
  if (clause.type == filter::Type::kNumber) return filter::Matches(clause, seen.number);
  if (seen.texts.empty()) return filter::Matches(clause, std::optional<std::string_view>());
  return std::ranges::any_of(seen.texts, [&](const std::string& text) {
    return filter::Matches(clause, std::optional<std::string_view>(text));
  });
}

template <typename HoldsClause>
bool Holds(const Expression& expression, const HoldsClause& holds) {
  const auto part = [&](const Expression& inner) { return Holds(inner, holds); };
  switch (expression.kind) {
    case Expression::Kind::kClause:
      return holds(expression.clause);
    case Expression::Kind::kAnd:
      return std::ranges::all_of(expression.parts, part);
    case Expression::Kind::kOr:
      return std::ranges::any_of(expression.parts, part);
    case Expression::Kind::kNot:
      return !part(expression.parts.front());
  }
  return false;
}

/// -1, 0 or 1; missing keys last and NaN before them, in both directions.
int Compare(const Seen& a, const Seen& b, bool ascending) {
  const auto rank = [](const Seen& seen) {
    if (!seen.number && seen.texts.empty()) return 2;
    return seen.number && std::isnan(*seen.number) ? 1 : 0;
  };
  if (rank(a) != rank(b)) return rank(a) < rank(b) ? -1 : 1;
  if (rank(a) != 0) return 0;
  const bool less = a.number ? *a.number < *b.number : a.texts[0] < b.texts[0];
  const bool greater = a.number ? *a.number > *b.number : a.texts[0] > b.texts[0];
  if (!less && !greater) return 0;
  return less == ascending ? -1 : 1;
}

/// What an order looks at, where that is not what a clause does.
template <typename T>
using LookOrder = std::function<Seen(const T&, const Order&, std::size_t index)>;

/// Filters, sorts (`tie_break` decides between equals) and cuts one page out.
template <typename T>
Result<Page<T>> Search(std::vector<T> items, const SearchQuery& query, const Grammar& grammar,
                       const Look<T>& look,
                       const std::function<bool(const T&, const T&)>& tie_break,
                       const LookOrder<T>& look_order = nullptr) {
  MUSTER_RETURN_IF_ERROR(CheckMaxResults(query.max_results, kMaxSearchPage));
  const auto parse = query.own_language ? filter::ParseOwnQuery : filter::ParseQuery;
  MUSTER_ASSIGN_OR_RETURN(const filter::Query parsed,
                          parse(query.filter, query.order_by, query.page_token, grammar));
  std::erase_if(items, [&](const T& item) {
    const auto holds = [&](const Clause& clause) {
      return Holds(clause, look(item, clause.entity, clause.key));
    };
    return !std::ranges::all_of(parsed.clauses, holds) ||
           (parsed.where && !Holds(*parsed.where, holds));
  });
  const auto seen = [&](const T& item, std::size_t i) {
    const Order& order = parsed.orders[i];
    return look_order ? look_order(item, order, i) : look(item, order.entity, order.key);
  };
  std::ranges::sort(items, [&](const T& a, const T& b) {
    for (std::size_t i = 0; i < parsed.orders.size(); ++i) {
      const int sign = Compare(seen(a, i), seen(b, i), parsed.orders[i].ascending);
      if (sign != 0) return sign < 0;
    }
    return tie_break(a, b);
  });
  Page<T> page;
  if (query.count) page.total = std::ssize(items);
  for (std::int64_t i = parsed.offset; i < std::ssize(items); ++i) {
    if (i == parsed.offset + query.max_results) {
      page.next_page_token = filter::PageToken(i);
      break;
    }
    page.items.push_back(std::move(items[static_cast<std::size_t>(i)]));
  }
  return page;
}

bool Visible(bool deleted, ViewType view) {
  return view == ViewType::kAll || deleted == (view == ViewType::kDeletedOnly);
}

Seen DatasetTexts(const Run& run, std::string_view key) {
  Seen seen;
  for (const DatasetInput& input : run.dataset_inputs) {
    if (key == "name") seen.texts.push_back(input.dataset.name);
    if (key == "digest") seen.texts.push_back(input.dataset.digest);
    for (const Tag& tag : input.tags) {
      if (key == "context" && tag.key == kDatasetContextTag) seen.texts.push_back(tag.value);
    }
  }
  return seen;
}

Seen LookRun(const Run& run, std::string_view entity, std::string_view key) {
  if (entity == "param") return TagOf(run.params, key);
  if (entity == "tag") return TagOf(run.tags, key);
  if (entity == "dataset") return DatasetTexts(run, key);
  if (entity == "metric") {
    const auto metric = std::ranges::find(run.metrics, key, &Metric::key);
    return metric == run.metrics.end() ? Seen{} : Seen{metric->value, {}};
  }
  const RunInfo& info = run.info;
  if (key == "run_id") return Text(info.run_id.value);
  if (key == "run_name") return Text(info.run_name);
  if (key == "status") return Text(std::string(RunStatusName(info.status)));
  if (key == "user_id") return Text(info.user_id);
  if (key == "artifact_uri") return Text(info.artifact_uri);
  if (key == "start_time") return Number(info.start_time_ms);
  return info.end_time_ms ? Number(*info.end_time_ms) : Seen{};
}

/// What a metric was over its whole history.
Seen LookHistory(const std::vector<Metric>& points, std::string_view entity) {
  Summary summary;
  for (const Metric& point : points) {
    summary.Add({point.timestamp_ms, point.step, point.value, point.attempt});
  }
  if (entity == filter::kMetricMax) return {summary.max, {}};
  if (entity == filter::kMetricMin) return {summary.min, {}};
  return summary.latest ? Number(summary.latest->step) : Seen{};
}

template <typename Item>
void Keep(const RunParts::Keys& keys, std::vector<Item>& items) {
  if (!keys) return;
  std::erase_if(
      items, [&](const Item& item) { return std::ranges::find(*keys, item.key) == keys->end(); });
}

/// Leaves of a run what a search answers.
void Keep(const RunParts& parts, Run& run) {
  Keep(parts.metrics, run.metrics);
  Keep(parts.params, run.params);
  Keep(parts.tags, run.tags);
  run.model_inputs.clear();  // MLflow's search answers outputs, not inputs
  if (parts.links) return;
  run.dataset_inputs.clear();
  run.model_outputs.clear();
}

Seen LookExperiment(const Experiment& experiment, std::string_view entity, std::string_view key) {
  if (entity == "tag") return TagOf(experiment.tags, key);
  if (key == "name") return Text(experiment.name);
  if (key == "experiment_id") return Text(experiment.experiment_id);
  return Number(key == "creation_time" ? experiment.creation_time_ms
                                       : experiment.last_update_time_ms);
}

/// As filters name it: READY, PENDING, FAILED.
std::string ShortStatus(const std::string& status) {
  const std::string name = status.substr(std::string("LOGGED_MODEL_").size());
  return name == "UPLOAD_FAILED" ? "FAILED" : name;
}

/// What of the dataset is empty may be anything.
bool IsOn(const Metric& metric, const DatasetName& dataset) {
  return (dataset.name.empty() || metric.dataset_name == dataset.name) &&
         (dataset.digest.empty() || metric.dataset_digest == dataset.digest);
}

bool IsOn(const Metric& metric, const std::vector<DatasetName>& datasets) {
  return datasets.empty() || std::ranges::any_of(datasets, [&](const DatasetName& dataset) {
           return IsOn(metric, dataset);
         });
}

Seen LookModel(const LoggedModel& model, std::string_view entity, std::string_view key,
               const std::vector<DatasetName>& datasets, const DatasetName& on = {}) {
  if (entity == "tag") return TagOf(model.tags, key);
  if (entity == "param") return TagOf(model.params, key);
  if (entity == "metric") {
    const Metric* latest = nullptr;
    for (const auto& [run, metric] : model.metrics) {
      if (metric.key != key || !IsOn(metric, datasets) || !IsOn(metric, on)) continue;
      if (!latest || IsLater(metric, *latest)) latest = &metric;
    }
    return latest ? Seen{latest->value, {}} : Seen{};
  }
  if (key == "name") return Text(model.name);
  if (key == "model_id") return Text(model.model_id);
  if (key == "model_type") return Text(model.model_type);
  if (key == "source_run_id") return Text(model.source_run_id);
  if (key == "status") return Text(ShortStatus(model.status));
  return Number(key == "creation_timestamp" ? model.creation_ms : model.last_updated_ms);
}

bool HasMetricOn(const LoggedModel& model, const std::vector<DatasetName>& datasets) {
  return datasets.empty() || std::ranges::any_of(model.metrics, [&](const auto& metric) {
           return IsOn(metric.second, datasets);
         });
}

bool Contains(const std::vector<std::string>& list, const std::string& item) {
  return std::ranges::find(list, item) != list.end();
}

}  // namespace

Result<Page<Run>> MemoryRunStore::SearchRuns(const SearchQuery& query) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentIds(query));
  std::vector<Run> runs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, stored] : runs_) {
      const RunInfo& info = stored.run.info;
      if (Contains(query.experiment_ids, info.experiment_id) && Visible(info.deleted, query.view)) {
        runs.push_back(Read(stored));
      }
    }
  }
  const Look<Run> look = [this](const Run& run, std::string_view entity, std::string_view key) {
    if (!entity.starts_with("metric_")) return LookRun(run, entity, key);
    const std::lock_guard lock(mutex_);
    return LookHistory(runs_.at(run.info.run_id.value).Visible(key, kNoRank), entity);
  };
  auto page =
      Search<Run>(std::move(runs), query, RunGrammar(), look, [](const Run& a, const Run& b) {
        return std::pair(-a.info.start_time_ms, a.info.run_id) <
               std::pair(-b.info.start_time_ms, b.info.run_id);
      });
  if (page) {
    for (Run& run : page->items) Keep(query.parts, run);
  }
  return page;
}

Result<Page<Experiment>> MemoryRunStore::SearchExperiments(const SearchQuery& query) {
  std::vector<Experiment> experiments;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, experiment] : experiments_) {
      if (Visible(experiment.deleted, query.view)) experiments.push_back(experiment);
    }
  }
  const bool ordered = !query.order_by.empty();
  return Search<Experiment>(
      std::move(experiments), query, ExperimentGrammar(), LookExperiment,
      [ordered](const Experiment& a, const Experiment& b) {
        const auto id = [](const Experiment& e) { return *ParseExperimentId(e.experiment_id); };
        if (ordered) return id(a) > id(b);
        return std::pair(-a.creation_time_ms, id(a)) < std::pair(-b.creation_time_ms, id(b));
      });
}

Result<Page<LoggedModel>> MemoryRunStore::SearchLoggedModels(const SearchQuery& query) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentIds(query));
  std::vector<LoggedModel> models;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, model] : models_) {
      if (model.deleted || !Contains(query.experiment_ids, model.experiment_id)) continue;
      if (HasMetricOn(model, query.datasets)) models.push_back(model);
    }
  }
  const Look<LoggedModel> look = [&](const LoggedModel& model, std::string_view entity,
                                     std::string_view key) {
    return LookModel(model, entity, key, query.datasets);
  };
  const LookOrder<LoggedModel> look_order = [&](const LoggedModel& model, const Order& order,
                                                std::size_t i) {
    const DatasetName on = query.order_datasets.empty() ? DatasetName() : query.order_datasets[i];
    return LookModel(model, order.entity, order.key, query.datasets, on);
  };
  return Search<LoggedModel>(
      std::move(models), query, LoggedModelGrammar(), look,
      [](const LoggedModel& a, const LoggedModel& b) {
        return std::pair(-a.creation_ms, a.model_id) < std::pair(-b.creation_ms, b.model_id);
      },
      look_order);
}

}  // namespace muster::tracker
