#include "tracker/live/event_routes.h"

#include <atomic>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <utility>

#include "runtime/base/utf8.h"
#include "tracker/live/number.h"
#include "tracker/run_store.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;
using http::Request;
using http::Response;

constexpr std::size_t kRunsMax = 1000;
/// Of one piece: so that a client that comes back after a while does not make a body in memory.
constexpr std::size_t kEventsMax = 256;

/// The name of an event and its data.
struct Encode {
  json::object data;

  std::string_view operator()(const NewPoints& logged) {
    json::array metrics;
    for (const Metric& point : *logged.points) {
      json::object metric{{"key", point.key},
                          {"value", NumberJson(point.value)},
                          {"timestamp", point.timestamp_ms},
                          {"step", point.step}};
      if (point.rank != kNoRank) metric["rank"] = point.rank;
      metrics.push_back(std::move(metric));
    }
    data["metrics"] = std::move(metrics);
    return "points";
  }
  std::string_view operator()(const RunChanged& changed) {
    const RunInfo& info = *changed.info;
    data["experiment_id"] = info.experiment_id;
    data["run_name"] = info.run_name;
    data["status"] = RunStatusName(info.status);
    data["start_time"] = info.start_time_ms;
    if (info.end_time_ms) data["end_time"] = *info.end_time_ms;
    data["lifecycle_stage"] = info.deleted ? "deleted" : "active";
    return "run";
  }
  std::string_view operator()(const RunDeleted& change) {
    return change.deleted ? "deleted" : "restored";
  }
  std::string_view operator()(const RunResumed& resumed) {
    data["attempt"] = resumed.attempt;
    data["step"] = resumed.step;
    return "resumed";
  }
  std::string_view operator()(const LogText& log) {
    const std::size_t dot = std::min(log.log.find('.'), log.log.size());
    int rank = 0;
    if (std::from_chars(log.log.data(), log.log.data() + dot, rank).ec == std::errc()) {
      data["rank"] = rank;
      data["stream"] = log.log.substr(std::min(dot + 1, log.log.size()));
    }
    data["log"] = log.log;
    data["begin"] = log.begin;
    data["text"] = ToUtf8(log.text);
    return "log";
  }
};

/// One client's stream.
class EventStream final : public http::BodySource, private EventLog::Listener {
 public:
  EventStream(EventLog& log, std::string epoch, std::set<std::string> runs, std::uint64_t after,
              bool gap)
      : log_(log), epoch_(std::move(epoch)), runs_(std::move(runs)), after_(after), gap_(gap) {}

  std::optional<std::string> Next() override {
    told_ = false;  // before reading: what comes after it wakes again
    std::string out;
    if (!std::exchange(opened_, true)) Append(out, "open", after_, "{}");
    EventLog::Page page = log_.Read(runs_, after_, kEventsMax);
    if (gap_ || page.lost) {
      gap_ = false;
      Append(out, "reset", page.entries.empty() ? page.after : after_, "{}");
    }
    for (const auto& entry : page.entries) {
      Encode encode;
      encode.data["run_id"] = entry->event.run_id.value;
      const std::string_view name = std::visit(encode, entry->event.body);
      Append(out, name, entry->id, json::serialize(encode.data));
    }
    after_ = page.after;
    return out;
  }

  void OnMore(std::function<void()> wake) override {
    if (wake) {
      wake_ = std::move(wake);
      log_.Listen(runs_, *this);
    } else {
      log_.Unlisten(runs_, *this);
    }
  }

 private:
  void OnNews() override {
    if (!told_.exchange(true)) wake_();  // once until the next read
  }

  /// `data` is JSON on one line.
  void Append(std::string& out, std::string_view name, std::uint64_t id, std::string_view data) {
    ((((out += "id: ") += epoch_) += '-') += std::to_string(id)) += "\nevent: ";
    (((out += name) += "\ndata: ") += data) += "\n\n";
  }

  EventLog& log_;
  const std::string epoch_;
  const std::set<std::string> runs_;
  std::uint64_t after_;
  bool gap_;
  bool opened_ = false;
  std::atomic<bool> told_ = false;
  std::function<void()> wake_;
};

/// The number of an id of this epoch; nothing for any other text.
std::optional<std::uint64_t> NumberOf(std::string_view id, std::string_view epoch,
                                      std::uint64_t last) {
  if (!id.starts_with(epoch) || !id.substr(epoch.size()).starts_with('-')) return std::nullopt;
  id.remove_prefix(epoch.size() + 1);
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (failed != std::errc() || end != id.data() + id.size() || number > last) return std::nullopt;
  return number;
}

Result<std::set<std::string>> RunsOf(const Request& request) {
  const auto found = request.query.find("run_id");
  const std::size_t count = found == request.query.end() ? 0 : found->second.size();
  if (count < 1 || count > kRunsMax) {
    return Invalid("/events wants run_id 1 to " + std::to_string(kRunsMax) + " times, got it " +
                   std::to_string(count) + " times");
  }
  return std::set<std::string>(found->second.begin(), found->second.end());
}

Response Events(EventLog& log, const std::string& epoch, const Request& request) {
  auto runs = RunsOf(request);
  if (!runs) return http::ErrorResponse(runs.error());
  std::string id(request.Header("Last-Event-ID"));
  if (id.empty()) id = request.Parameter("after").value_or("");
  const std::uint64_t last = log.last_id();
  const auto after = NumberOf(id, epoch, last);
  Response response;
  response.headers["Content-Type"] = "text/event-stream";
  response.headers["Cache-Control"] = "no-store";
  response.headers["X-Accel-Buffering"] = "no";  // nginx in between would hold events back
  response.source = std::make_shared<EventStream>(log, epoch, std::move(*runs),
                                                  after.value_or(last), !id.empty() && !after);
  return response;
}

}  // namespace

void AddEventRoutes(http::Router& router, EventLog& log, std::string epoch) {
  router.Add("GET", "/events", http::Sync([&log, epoch = std::move(epoch)](const Request& request) {
               return Events(log, epoch, request);
             }));
}

}  // namespace muster::tracker
