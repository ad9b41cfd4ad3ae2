#include "tracker/transfer/export.h"

#include <array>
#include <span>
#include <utility>

#include "tracker/run_rules.h"
#include "tracker/transfer/table.h"

namespace muster::tracker {

namespace {

constexpr std::size_t kPiece = 256 << 10;
constexpr std::int64_t kRunsAtOnce = 1'000;

using Sink = std::function<Status(std::string)>;

constexpr std::array<std::pair<std::string_view, ExportTable>, 5> kTables = {
    {{"runs", ExportTable::kRuns},
     {"params", ExportTable::kParams},
     {"tags", ExportTable::kTags},
     {"latest", ExportTable::kLatest},
     {"metrics", ExportTable::kMetrics}}};

std::span<const Column> ColumnsOf(ExportTable table) {
  static constexpr std::array<Column, 9> kRuns = {{{"run_id"},
                                                   {"experiment_id"},
                                                   {"name"},
                                                   {"user"},
                                                   {"status"},
                                                   {"lifecycle"},
                                                   {"start_ms", ColumnType::kInteger},
                                                   {"end_ms", ColumnType::kInteger},
                                                   {"artifact_uri"}}};
  static constexpr std::array<Column, 3> kPairs = {{{"run_id"}, {"key"}, {"value"}}};
  static constexpr std::array<Column, 5> kPoints = {{{"run_id"},
                                                     {"key"},
                                                     {"value", ColumnType::kNumber},
                                                     {"timestamp_ms", ColumnType::kInteger},
                                                     {"step", ColumnType::kInteger}}};
  switch (table) {
    case ExportTable::kRuns:
      return kRuns;
    case ExportTable::kParams:
    case ExportTable::kTags:
      return kPairs;
    case ExportTable::kLatest:
    case ExportTable::kMetrics:
      return kPoints;
  }
  return {};
}

class Exporter {
 public:
  Exporter(RunStore& runs, ExportTable table, ExportFormat format, const Sink& sink)
      : runs_(runs),
        table_(table),
        writer_(format == ExportFormat::kCsv ? MakeCsvWriter(ColumnsOf(table))
                                             : MakeArrowWriter(ColumnsOf(table))),
        sink_(sink) {}

  Status Run(const ExportQuery& query) {
    SearchQuery search{.experiment_ids = query.experiment_ids,
                       .filter = query.filter,
                       .view = query.view,
                       .max_results = kRunsAtOnce};
    if (search.experiment_ids.empty()) {
      MUSTER_ASSIGN_OR_RETURN(search.experiment_ids, ActiveExperiments());
    }
    do {
      MUSTER_ASSIGN_OR_RETURN(const Page<tracker::Run> page, runs_.SearchRuns(search));
      for (const tracker::Run& run : page.items) MUSTER_RETURN_IF_ERROR(Add(run));
      search.page_token = page.next_page_token;
    } while (!search.page_token.empty());
    return sink_(writer_->Finish());
  }

 private:
  Result<std::vector<std::string>> ActiveExperiments() {
    std::vector<std::string> ids;
    SearchQuery search;
    do {
      MUSTER_ASSIGN_OR_RETURN(const auto page, runs_.SearchExperiments(search));
      for (const Experiment& experiment : page.items) ids.push_back(experiment.experiment_id);
      search.page_token = page.next_page_token;
    } while (!search.page_token.empty());
    return ids;
  }

  Status Add(const tracker::Run& run) {
    const std::string_view id = run.info.run_id.value;
    switch (table_) {
      case ExportTable::kRuns:
        return AddInfo(run.info);
      case ExportTable::kParams:
        return AddPairs(id, run.params);
      case ExportTable::kTags:
        return AddPairs(id, run.tags);
      case ExportTable::kLatest:
        return AddPoints(id, run.metrics);
      case ExportTable::kMetrics:
        return AddHistories(run);
    }
    return Ok();
  }

  Status AddInfo(const RunInfo& info) {
    return AddRow({info.run_id.value, info.experiment_id, info.run_name, info.user_id,
                   RunStatusName(info.status), info.deleted ? "deleted" : "active",
                   info.start_time_ms, info.end_time_ms ? Cell(*info.end_time_ms) : Cell(),
                   info.artifact_uri});
  }

  Status AddPairs(std::string_view run, const std::vector<Tag>& pairs) {
    for (const auto& [key, value] : pairs) MUSTER_RETURN_IF_ERROR(AddRow({run, key, value}));
    return Ok();
  }

  Status AddPoints(std::string_view run, const std::vector<Metric>& points) {
    for (const Metric& point : points) {
      MUSTER_RETURN_IF_ERROR(AddRow({run, point.key, point.value, point.timestamp_ms, point.step}));
    }
    return Ok();
  }

  Status AddHistories(const tracker::Run& run) {
    for (const Metric& latest : run.metrics) {
      std::string token;
      do {
        MUSTER_ASSIGN_OR_RETURN(const auto page, runs_.MetricHistory(run.info.run_id, latest.key,
                                                                     kMaxHistoryPage, token));
        MUSTER_RETURN_IF_ERROR(AddPoints(run.info.run_id.value, page.items));
        token = page.next_page_token;
      } while (!token.empty());
    }
    return Ok();
  }

  Status AddRow(std::initializer_list<Cell> cells) {
    writer_->Add({cells.begin(), cells.size()});
    return writer_->pending() < kPiece ? Ok() : sink_(writer_->Take());
  }

  RunStore& runs_;
  const ExportTable table_;
  const std::unique_ptr<TableWriter> writer_;
  const Sink& sink_;
};

}  // namespace

std::optional<ExportTable> ExportTableOf(std::string_view name) {
  for (const auto& [text, table] : kTables) {
    if (text == name) return table;
  }
  return std::nullopt;
}

std::optional<ExportFormat> ExportFormatOf(std::string_view name) {
  if (name == "csv") return ExportFormat::kCsv;
  if (name == "arrow") return ExportFormat::kArrow;
  return std::nullopt;
}

Status Export(RunStore& runs, ExportTable table, ExportFormat format, const ExportQuery& query,
              const Sink& sink) {
  return Exporter(runs, table, format, sink).Run(query);
}

}  // namespace muster::tracker
