#include "runtime/server/tracker_ports.h"

#include <memory>
#include <utility>

namespace muster::server {
namespace {

constexpr std::int64_t kPageSize = 25'000;

/// A Done that has nothing to tell but success.
std::function<void(Status)> Plain(TrackerPorts::Done done) {
  return [done = std::move(done)](const Status& status) {
    done(status.ok() ? Result<boost::json::object>(boost::json::object())
                     : Result<boost::json::object>(status.error()));
  };
}

}  // namespace

coordinator::TrackedMetric TrackedOf(const tracker::Metric& metric) {
  return {metric.key, metric.value, metric.timestamp_ms, metric.step, metric.attempt, metric.rank};
}

std::vector<tracker::Metric> PointsOf(const coordinator::StoreMetrics& metrics) {
  std::vector<tracker::Metric> points;
  points.reserve(metrics.metrics.size());
  for (const auto& metric : metrics.metrics) {
    const bool own = metric.rank == tracker::kNoRank;
    points.push_back({metric.key, metric.value, metric.timestamp_ms, metric.step,
                      own ? metrics.epoch.value : metric.attempt, metric.rank});
  }
  return points;
}

void TrackerPorts::StoreMetrics(const coordinator::StoreMetrics& metrics,
                                std::function<void(Status)> done) {
  tracker::Batch batch;
  batch.observed = false;  // the coordinator knows them already
  batch.metrics = PointsOf(metrics);
  for (const auto& place : metrics.places) {
    batch.places.push_back({place.rank, place.node.value, place.gpu});
  }
  store_.LogBatch(metrics.run, std::move(batch), std::move(done));
}

void TrackerPorts::CreateRun(const coordinator::CreateRun& command, Done done) {
  const auto found = store_.GetExperimentByName(command.experiment);
  if (found.ok()) return CreateRunIn(command, found->experiment_id, std::move(done));
  store_.CreateExperiment(command.experiment, "", {},
                          [this, command, done = std::move(done)](Result<std::string> id) {
                            if (id.ok()) return CreateRunIn(command, *id, done);
                            // Another run's command may have made it meanwhile.
                            const auto again = store_.GetExperimentByName(command.experiment);
                            if (again.ok()) return CreateRunIn(command, again->experiment_id, done);
                            done(id.error());
                          });
}

void TrackerPorts::CreateRunIn(const coordinator::CreateRun& command,
                               const std::string& experiment_id, Done done) {
  tracker::NewRun run;
  run.run_id = command.run;
  run.experiment_id = experiment_id;
  run.run_name = command.name;
  run.user_id = "muster";
  run.start_time_ms = clock_.UnixNow();
  for (const auto& [key, value] : command.tags) run.tags.push_back({key, value});
  store_.CreateRun(std::move(run), [this, command, experiment_id,
                                    done = std::move(done)](const Result<tracker::Run>& made) {
    if (!made.ok()) return done(made.error());
    tracker::Batch params;
    for (const auto& [key, value] : command.params) params.params.push_back({key, value});
    store_.LogBatch(command.run, std::move(params), [experiment_id, done](const Status& status) {
      if (!status.ok()) return done(status.error());
      done(boost::json::object{{"experiment_id", experiment_id}});
    });
  });
}

void TrackerPorts::TagRun(const coordinator::TagRun& command, Done done) {
  tracker::Batch batch;
  for (const auto& [key, value] : command.tags) batch.tags.push_back({key, value});
  store_.LogBatch(command.run, std::move(batch), Plain(std::move(done)));
}

void TrackerPorts::FinishRun(const coordinator::FinishRun& command, Done done) {
  // Both in one transaction of the store's writer, which answers in order.
  auto tagged = std::make_shared<Result<boost::json::object>>(boost::json::object());
  if (!command.tags.empty()) {
    TagRun({command.run, command.tags},
           [tagged](Result<boost::json::object> result) { *tagged = std::move(result); });
  }
  tracker::RunUpdate update;
  update.status = tracker::RunStatusFromName(command.status);
  update.end_time_ms = clock_.UnixNow();
  store_.UpdateRun(
      command.run, update, [tagged, done = std::move(done)](const Result<tracker::RunInfo>& info) {
        done(info.ok() ? std::move(*tagged) : Result<boost::json::object>(info.error()));
      });
}

void TrackerPorts::ResumeRun(const coordinator::ResumeRun& command, Done done) {
  store_.ResumeAt(command.run, command.epoch.value, command.step, Plain(std::move(done)));
}

Result<std::vector<coordinator::TrackedMetric>> TrackerPorts::ReadMetric(const RunId& run,
                                                                         const std::string& key) {
  std::vector<coordinator::TrackedMetric> points;
  std::string token;
  do {
    MUSTER_ASSIGN_OR_RETURN(const auto page, store_.MetricHistory(run, key, kPageSize, token));
    for (const auto& point : page.items) {
      points.push_back(TrackedOf(point));
    }
    token = page.next_page_token;
  } while (!token.empty());
  return points;
}

}  // namespace muster::server
