#pragma once

#include "registry/monitor/notice.h"

namespace muster::registry::monitor {

/// The inputs of digits/3 have drifted.
inline Notice Drifted() {
  return {.id = "0b5c",
          .model = "digits",
          .version = "3",
          .event = {.fired = true,
                    .rule = "inputs drift",
                    .metric = "drift.largest",
                    .time_ms = 1'764'244'800'000,
                    .value = 1.7,
                    .bound = 1,
                    .since_ms = 1'764'244'500'000}};
}

}  // namespace muster::registry::monitor
