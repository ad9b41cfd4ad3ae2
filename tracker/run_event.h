#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/ids.h"

/// What happens to a run, for those who watch it live. Every event stands for something that is committed.

namespace muster::tracker {

struct Metric;
struct RunInfo;

/// Points that were logged; some of them may have been there before.
struct NewPoints {
  std::shared_ptr<const std::vector<Metric>> points;
};
/// The run was made, or its status, end or name changed.
struct RunChanged {
  std::shared_ptr<const RunInfo> info;
};
struct RunDeleted {
  bool deleted = true;  ///< false: restored
};
/// A new attempt goes on after `step`: what earlier attempts logged beyond it is hidden.
struct RunResumed {
  std::int64_t attempt = 0, step = 0;
};
/// What a rank printed: whole or broken lines, as they came.
struct LogText {
  std::string log;         ///< "0.out": rank and stream
  std::int64_t begin = 0;  ///< the text's offset in that log
  std::string text;
};

struct RunEvent {
  RunId run_id;
  std::variant<NewPoints, RunChanged, RunDeleted, RunResumed, LogText> body;
};

/// Hears of events on the thread that makes them, before the change's own answer; must not block.
using RunEventSink = std::function<void(RunEvent)>;

}  // namespace muster::tracker
