#include "cluster/local/lease.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fstream>

#include "runtime/base/file.h"

namespace muster::cluster::local {

Status WriteLease(const std::filesystem::path& file, MonotonicTime until) {
  const std::string fresh = file.string() + ".new";
  std::ofstream stream(fresh, std::ios::trunc);
  stream << until.time_since_epoch().count() << "\n";
  stream.close();
  if (!stream || std::rename(fresh.c_str(), file.c_str()) != 0)
    return IoError("write " + file.string(), errno);
  return Ok();
}

std::optional<MonotonicTime> ReadLease(const std::filesystem::path& file) {
  const auto text = ReadWholeFile(file);
  if (!text.ok()) return std::nullopt;
  MonotonicTime::rep count = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), count);
  if (parsed.ec != std::errc() || count <= 0) return std::nullopt;
  return MonotonicTime(MonotonicTime::duration(count));
}

}  // namespace muster::cluster::local
