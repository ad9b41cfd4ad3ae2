#pragma once

#include <string>

#include "registry/time_zone.h"

namespace muster::registry {

/// A zone of the system's database (/usr/share/zoneinfo) by its IANA name; "" and "UTC" need no file. kInvalid for a name
/// that is none of it, kCorrupt and kUnsupported as TimeZone::Parse.
Result<TimeZone> ReadZone(const std::string& name);

}  // namespace muster::registry
