#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "registry/statistics/interval.h"
#include "registry/statistics/sequential.h"

namespace muster::registry::serve {

/// {"count": of, "rate": share, null of none, "interval": [low, high]}
inline boost::json::object RateJson(const statistics::Rate& rate,
                                    const statistics::Interval& interval) {
  boost::json::object json{{"count", rate.trials}, {"rate", nullptr}};
  if (rate.trials > 0) {
    json["rate"] = static_cast<double>(rate.successes) / static_cast<double>(rate.trials);
  }
  json["interval"] = boost::json::array{interval.low, interval.high};
  return json;
}

}  // namespace muster::registry::serve
