#include "tracker/transfer/export_routes.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "tracker/transfer/export.h"
#include "tracker/transfer/pipe_body.h"

namespace muster::tracker {

namespace {

using http::Request;
using http::Response;

struct Wanted {
  ExportTable table = ExportTable::kRuns;
  ExportFormat format = ExportFormat::kCsv;
  ExportQuery query;
};

Result<ViewType> ViewOf(const std::string& name) {
  if (name == "ACTIVE_ONLY") return ViewType::kActiveOnly;
  if (name == "DELETED_ONLY") return ViewType::kDeletedOnly;
  if (name == "ALL") return ViewType::kAll;
  return Invalid("view is '" + name + "'; wanted ACTIVE_ONLY, DELETED_ONLY or ALL");
}

Result<Wanted> WantedBy(const Request& request, const std::string& file) {
  const auto dot = std::min(file.rfind('.'), file.size());
  const auto table = ExportTableOf(std::string_view(file).substr(0, dot));
  const auto format = ExportFormatOf(std::string_view(file).substr(std::min(dot + 1, file.size())));
  if (!table || !format) {
    return NotFound("no export '" + file +
                    "'; there are runs, params, tags, latest and metrics, each .csv and .arrow");
  }
  Wanted wanted{*table, *format, {.filter = request.Parameter("filter").value_or("")}};
  const auto ids = request.query.find("experiment_ids");
  if (ids != request.query.end()) wanted.query.experiment_ids = ids->second;
  MUSTER_ASSIGN_OR_RETURN(wanted.query.view,
                          ViewOf(request.Parameter("view").value_or("ACTIVE_ONLY")));
  return wanted;
}

Response Answer(const Request& request, RunStore& runs,
                const std::shared_ptr<std::atomic<int>>& running) {
  const std::string& file = request.captures.at("file");
  const auto wanted = WantedBy(request, file);
  if (!wanted) return http::ErrorResponse(wanted.error());
  const std::shared_ptr<void> turn(nullptr, [running](void*) { --*running; });
  if (++*running > kMostExports) {
    return http::ErrorResponse(Unavailable(std::to_string(kMostExports) +
                                           " exports are under way, which is the most; try again"));
  }
  const auto body = std::make_shared<PipeBody>([&runs, wanted = *wanted](const auto& sink) {
    return Export(runs, wanted.table, wanted.format, wanted.query, sink);
  });
  if (const Status begun = body->WaitForFirst(); !begun.ok()) {
    return http::ErrorResponse(begun.error());
  }
  Response response;
  response.headers["Content-Type"] = wanted->format == ExportFormat::kCsv
                                         ? "text/csv; charset=utf-8; header=present"
                                         : "application/vnd.apache.arrow.file";
  response.headers["Content-Disposition"] = "attachment; filename=\"" + file + "\"";
  response.source = body;
  response.keep = turn;
  return response;
}

}  // namespace

void AddExportRoutes(http::Router& router, RunStore& runs) {
  router.AddBlocking(
      "GET", "/api/muster/v1/export/{file}",
      http::Sync([&runs, running = std::make_shared<std::atomic<int>>(0)](const Request& request) {
        return Answer(request, runs, running);
      }));
}

}  // namespace muster::tracker
