#include "runtime/wire/pool_spec.h"

#include <algorithm>

#include "runtime/wire/pool_spec_json.h"

namespace muster::wire {
namespace {

bool IsName(const std::string& name) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && name.size() <= 32 && letter(name.front()) &&
         std::ranges::all_of(
             name, [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; });
}

}  // namespace

boost::json::value ToJson(const PoolSpec& spec) { return ToJson<PoolSpec>(spec); }
Result<PoolSpec> PoolSpecFromJson(const boost::json::value& json) {
  return FromJson<PoolSpec>(json, Unknown::kRefuse);
}

Status CheckPoolSpec(const PoolSpec& spec) {
  if (!IsName(spec.name)) {
    return Invalid("at name: '" + spec.name +
                   "'; wanted 1 to 32 lower-case letters, digits and -, a letter first");
  }
  struct Bound {
    const char* path;
    std::int64_t value, least, most;
  };
  constexpr std::int64_t kYear = 366 * 86'400;
  const Bound bounds[] = {{"nodes", spec.nodes, 1, 4'096},
                          {"slots", spec.slots, 1, 4'096},
                          {"gpus", spec.gpus, 0, 1'024},
                          {"memory_bytes", spec.memory_bytes, 0, std::int64_t{1} << 50},
                          {"time_seconds", spec.time_seconds, 60, kYear},
                          {"drain_seconds", spec.drain_seconds, 0, spec.time_seconds / 2},
                          {"most", spec.most, 1, 10'000},
                          {"backlog", spec.backlog, 1, 10'000},
                          {"idle_seconds", spec.idle_seconds, 0, kYear}};
  for (const Bound& bound : bounds) {
    if (bound.value >= bound.least && bound.value <= bound.most) continue;
    return Invalid("at " + std::string(bound.path) + ": " + std::to_string(bound.value) +
                   "; wanted " + std::to_string(bound.least) + " to " + std::to_string(bound.most));
  }
  return Ok();
}

}  // namespace muster::wire
