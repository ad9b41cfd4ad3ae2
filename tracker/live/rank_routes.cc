#include "tracker/live/rank_routes.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <limits>
#include <optional>

#include "tracker/live/number.h"
#include "tracker/ranks/spread.h"
#include "tracker/ranks/stragglers.h"
#include "tracker/run_rules.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;
using http::Request;
using Limits = std::numeric_limits<std::int64_t>;

constexpr std::int64_t kColumns = 200;
constexpr std::int64_t kPage = 1'000;

Result<Worse> WorseParameter(const Request& request, std::string_view key) {
  const auto text = request.Parameter("worse");
  if (!text) return WorseOf(key);
  for (const Worse worse : {Worse::kHigh, Worse::kLow, Worse::kFar}) {
    if (WorseName(worse) == *text) return worse;
  }
  return Invalid("the parameter worse is '" + *text + "'; wanted high, low or far");
}

void AddPlace(json::object& rank, const RankPlace& place) {
  if (!place.node.empty()) rank["node"] = place.node;
  if (place.gpu >= 0) rank["gpu"] = place.gpu;
}

Result<json::object> Ranks(RunStore& runs, const RunId& run_id) {
  MUSTER_ASSIGN_OR_RETURN(const RunRanks known, runs.ReadRanks(run_id));
  json::array ranks;
  for (const RankSummary& summary : known.ranks) {
    json::object rank{{"rank", summary.place.rank}};
    AddPlace(rank, summary.place);
    rank["last_step"] = summary.last_step;
    rank["last_time"] = summary.last_time_ms;
    rank["points"] = summary.points;
    ranks.push_back(std::move(rank));
  }
  return json::object{{"run_id", run_id.value},
                      {"keys", json::array(known.keys.begin(), known.keys.end())},
                      {"ranks", std::move(ranks)}};
}

json::array ColumnsJson(const RankCurves& curves, Worse worse) {
  json::array columns;
  for (const Spread& spread : SpreadOf(curves, worse)) {
    columns.push_back({{"first_step", spread.first_step},
                       {"last_step", spread.last_step},
                       {"ranks", spread.ranks},
                       {"not_finite", spread.not_finite},
                       {"min", NumberJson(spread.min)},
                       {"median", NumberJson(spread.median)},
                       {"max", NumberJson(spread.max)},
                       {"worst", spread.worst}});
  }
  return columns;
}

Result<json::object> View(RunStore& runs, const Clock& clock, const Request& request,
                          const RunId& run_id, const std::string& key) {
  ChartWindow window;
  MUSTER_ASSIGN_OR_RETURN(
      window.begin, NumberParameter(request, "begin", window.begin, Limits::min(), Limits::max()));
  MUSTER_ASSIGN_OR_RETURN(
      window.end, NumberParameter(request, "end", window.end, Limits::min(), Limits::max()));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t columns,
                          NumberParameter(request, "columns", kColumns, 1, kMaxPixels));
  window.pixels = static_cast<std::size_t>(columns);
  MUSTER_ASSIGN_OR_RETURN(const Worse worse, WorseParameter(request, key));
  MUSTER_ASSIGN_OR_RETURN(const RankCurves curves, runs.ReadRankCurves(run_id, key, window));
  const Verdicts verdicts = JudgeRanks(curves.ranks, worse, clock.UnixNow());
  json::array ranks;
  for (std::size_t i = 0; i < verdicts.ranks.size(); ++i) {
    const RankVerdict& verdict = verdicts.ranks[i];
    json::object rank{{"rank", verdict.rank}};
    AddPlace(rank, curves.ranks[i].place);
    rank["last_step"] = verdict.last_step;
    rank["last_time"] = verdict.last_time_ms;
    rank["behind"] = verdict.behind;
    rank["recent"] = NumberJson(verdict.recent);
    rank["lags"] = verdict.lags;
    rank["slow"] = verdict.slow;
    ranks.push_back(std::move(rank));
  }
  json::object answer{{"run_id", run_id.value}, {"key", key}, {"worse", WorseName(worse)}};
  if (!std::isnan(verdicts.limit)) answer["limit"] = verdicts.limit;
  answer["columns"] = ColumnsJson(curves, worse);
  answer["ranks"] = std::move(ranks);
  return answer;
}

Result<json::object> History(RunStore& runs, const Request& request, const RunId& run_id,
                             const std::string& key) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t rank,
                          NumberParameter(request, "rank", 0, 0, kRankMost));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t most,
                          NumberParameter(request, "max_results", kPage, 1, kMaxHistoryPage));
  MUSTER_RETURN_IF_ERROR(runs.GetRun(run_id));
  MUSTER_ASSIGN_OR_RETURN(const auto page,
                          runs.MetricHistory(run_id, {key, static_cast<int>(rank)}, most,
                                             request.Parameter("page_token").value_or("")));
  json::array points;
  for (const Metric& point : page.items) {
    points.push_back({{"step", point.step},
                      {"timestamp", point.timestamp_ms},
                      {"value", NumberJson(point.value)}});
  }
  json::object answer{
      {"run_id", run_id.value}, {"key", key}, {"rank", rank}, {"points", std::move(points)}};
  if (!page.next_page_token.empty()) answer["next_page_token"] = page.next_page_token;
  return answer;
}

Result<json::object> OfKey(RunStore& runs, const Clock& clock, const Request& request,
                           const RunId& run_id) {
  const std::string& key = request.captures.at("key");
  MUSTER_RETURN_IF_ERROR(CheckKey(key, "key"));
  if (request.Parameter("rank")) return History(runs, request, run_id, key);
  return View(runs, clock, request, run_id, key);
}

template <typename Answer>
http::Handler HandlerOf(Answer answer) {
  return http::Sync([answer](const Request& request) {
    auto object = answer(request, RunId(request.captures.at("id")));
    if (!object) return http::ErrorResponse(object.error());
    return http::Response::Json(std::move(*object));
  });
}

}  // namespace

void AddRankRoutes(http::Router& router, RunStore& runs, const Clock& clock) {
  const std::string ranks = "/api/muster/v1/runs/{id}/ranks";
  router.AddBlocking("GET", ranks, HandlerOf([&runs](const Request&, const RunId& run_id) {
                       return Ranks(runs, run_id);
                     }));
  router.AddBlocking("GET", ranks + "/{key...}",
                     HandlerOf([&runs, &clock](const Request& request, const RunId& run_id) {
                       return OfKey(runs, clock, request, run_id);
                     }));
}

}  // namespace muster::tracker
