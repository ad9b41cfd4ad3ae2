#include "registry/files/zone_file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "runtime/base/file.h"

namespace muster::registry {

Result<TimeZone> ReadZone(const std::string& name) {
  if (name.empty() || name == "UTC") return TimeZone();
  const std::filesystem::path folder = "/usr/share/zoneinfo";
  const bool plain = std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '_' || c == '-' ||
           c == '+';
  });
  const auto bytes = plain && !name.starts_with('/') ? ReadWholeFile(folder / name, 1 << 20)
                                                     : Result<std::string>(NotFound(""));
  if (!bytes.ok()) {
    return Invalid("time zone '" + name + "'; wanted a name below " + folder.string() +
                   ", like Europe/Berlin" +
                   (bytes.error().message.empty() ? "" : " (" + bytes.error().message + ")"));
  }
  auto zone = TimeZone::Parse(*bytes);
  return zone.ok() ? zone : zone.error().With("time zone '" + name + "'");
}

}  // namespace muster::registry
