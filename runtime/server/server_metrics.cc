#include "runtime/server/server_metrics.h"

#include <map>
#include <string>

#include "runtime/coordinator/views.h"
#include "runtime/wire/api.h"

namespace muster::server {
namespace {

class Text {
 public:
  void Gauge(std::string_view name, std::string_view help,
             const std::map<std::string, double>& by_label, std::string_view label = {}) {
    text_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
    text_.append(name).append(" gauge\n");
    for (const auto& [value, number] : by_label) {
      text_.append(name);
      if (!label.empty()) text_.append("{").append(label).append("=\"").append(value).append("\"}");
      text_.append(" ").append(std::to_string(number)).append("\n");
    }
  }
  std::string Take() && { return std::move(text_); }

 private:
  std::string text_;
};

std::string Render(const boost::json::value& nodes, const boost::json::value& sweeps) {
  std::map<std::string, double> by_state, slots{{"", 0}}, used{{"", 0}}, sweep_states, trials;
  for (const auto& entry : nodes.as_array()) {
    const auto node = wire::NodeSummaryFromJson(entry);
    if (!node.ok()) continue;
    by_state[node->state] += 1;
    slots[""] += node->slots;
    used[""] += node->used;
  }
  for (const auto& entry : sweeps.as_array()) {
    const auto sweep = wire::SweepSummaryFromJson(entry);
    if (!sweep.ok()) continue;
    sweep_states[sweep->state] += 1;
    trials["complete"] += sweep->complete;
    trials["pruned"] += sweep->pruned;
    trials["failed"] += sweep->failed;
    trials["running"] += sweep->running;
    trials["waiting"] += sweep->waiting;
  }
  Text text;
  text.Gauge("muster_nodes", "nodes by state", by_state, "state");
  text.Gauge("muster_slots", "slots of all nodes", slots);
  text.Gauge("muster_slots_used", "slots that gangs hold", used);
  text.Gauge("muster_sweeps", "sweeps by state", sweep_states, "state");
  text.Gauge("muster_trials", "trials by state", trials, "state");
  return std::move(text).Take();
}

}  // namespace

void AddServerMetrics(http::Router& router, LateHost& late) {
  router.Add("GET", "/metrics", http::Sync([&late](const http::Request&) {
               const auto host = late.Get();
               if (!host.ok()) return http::ErrorResponse(host.error());
               std::string text;
               auto asked =
                   (*host)->Ask([&](const coordinator::Coordinator& state, MonotonicTime now,
                                    UnixMillis unix_now) -> Result<boost::json::value> {
                     const coordinator::Moment moment{now, unix_now};
                     text = Render(coordinator::NodesView(state, moment),
                                   coordinator::SweepsView(state, moment));
                     return boost::json::value(nullptr);
                   });
               if (!asked.ok()) return http::ErrorResponse(asked.error());
               return http::Response::Text(std::move(text), 200,
                                           "text/plain; version=0.0.4; charset=utf-8");
             }));
}

}  // namespace muster::server
