#include "tracker/live/chart_routes.h"

#include <limits>

#include "tracker/live/number.h"
#include "tracker/series/chart_bytes.h"

namespace muster::tracker {

namespace {

using http::Request;
using http::Response;

constexpr std::size_t kCurvesMax = 100;

Result<ChartWindow> WindowOf(const Request& request) {
  using Limits = std::numeric_limits<std::int64_t>;
  ChartWindow window;
  const std::string axis = request.Parameter("axis").value_or("step");
  if (axis != "step" && axis != "time") {
    return Invalid("the parameter axis is '" + axis + "'; wanted step or time");
  }
  window.axis = axis == "step" ? Axis::kStep : Axis::kTime;
  MUSTER_ASSIGN_OR_RETURN(
      window.begin, NumberParameter(request, "begin", Limits::min(), Limits::min(), Limits::max()));
  MUSTER_ASSIGN_OR_RETURN(
      window.end, NumberParameter(request, "end", Limits::max(), window.begin, Limits::max()));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t pixels,
                          NumberParameter(request, "pixels", 1'000, 1, std::int64_t{kMaxPixels}));
  window.pixels = static_cast<std::size_t>(pixels);
  return window;
}

Result<std::string> ReadCurves(RunStore& runs, const Request& request) {
  const auto ids = request.query.find("run_id");
  const std::size_t count = ids == request.query.end() ? 0 : ids->second.size();
  if (count < 1 || count > kCurvesMax) {
    return Invalid("a chart wants run_id 1 to " + std::to_string(kCurvesMax) + " times, got it " +
                   std::to_string(count) + " times");
  }
  const auto key = request.Parameter("key");
  if (!key) return Invalid("a chart wants key, the name of a metric");
  MUSTER_ASSIGN_OR_RETURN(const ChartWindow window, WindowOf(request));
  std::vector<std::vector<Bucket>> curves;
  for (const std::string& id : ids->second) {
    MUSTER_ASSIGN_OR_RETURN(auto columns, runs.ReadChart(RunId(id), *key, window));
    curves.push_back(std::move(columns));
  }
  return EncodeCurves(curves);
}

}  // namespace

void AddChartRoutes(http::Router& router, RunStore& runs) {
  router.AddBlocking("GET", "/api/muster/v1/chart", http::Sync([&runs](const Request& request) {
                       auto bytes = ReadCurves(runs, request);
                       if (!bytes) return http::ErrorResponse(bytes.error());
                       return Response::Text(std::move(*bytes), 200, kChartType);
                     }));
}

}  // namespace muster::tracker
