#include "cluster/local/lease.h"

#include <charconv>
#include <string>

#include "runtime/base/file.h"

namespace muster::cluster::local {

Status WriteLease(const std::filesystem::path& file, MonotonicTime until) {
  const std::string text = std::to_string(until.time_since_epoch().count()) + "\n";
  Status replaced = ReplaceFile(file, text);
  if (replaced.ok() || replaced.error().kind != ErrorKind::kResource) return replaced;
  // A full disk has no room for a second file, but still for this one's bytes; ranks must not die of it.
  return OverwriteFile(file, text);
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
