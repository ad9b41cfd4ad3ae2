#pragma once

#include <string>

#include "runtime/wire/http.h"
#include "tracker/event_log.h"

namespace muster::tracker {

/// Adds GET /events?run_id=a&run_id=b: what happens to these runs (1 to 1000) as server-sent events
/// (https://html.spec.whatwg.org/multipage/server-sent-events.html), from now on, or after the Last-Event-ID of
/// the request (`?after=` where a client cannot set it). No thread and no queue a client.
///
///   open     {}                                                  first; its id is where the stream begins
///   points   {"run_id", "metrics": [{"key", "value", "timestamp", "step", "rank"?}]}  (a rank's, not the run's own)
///   run      {"run_id", "experiment_id", "run_name", "status", "start_time", "end_time"?, "lifecycle_stage"}
///   deleted  {"run_id"}, restored {"run_id"}
///   resumed  {"run_id", "attempt", "step"}                       points beyond the step are hidden
///   log      {"run_id", "rank", "stream", "log", "begin", "text"}
///   reset    {}                                                  events are missing here: read the runs anew
///
/// An id is "<epoch>-<number>"; `epoch` is new at each start of the server, so an id of an earlier one is a
/// gap. NaN and infinities are strings; what a rank prints that is no UTF-8 is U+FFFD, also a character whose
/// bytes came in two events. The log must outlive the router's server.
void AddEventRoutes(http::Router& router, EventLog& log, std::string epoch);

}  // namespace muster::tracker
