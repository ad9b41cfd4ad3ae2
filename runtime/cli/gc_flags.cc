#include "runtime/cli/gc_flags.h"

namespace muster::cli {

void AddGcFlags(CLI::App& command, GcFlags& flags) {
  command.add_option("--gc-every", flags.every,
                     "Delete for good, at the start and then so often (1d, 12h), what was deleted "
                     "long enough ago; see muster tracker gc");
  command
      .add_option("--gc-older-than", flags.older_than,
                  "How long ago that is, for --gc-every: 30d, 8h, 1d12h")
      ->capture_default_str();
}

Result<server::GcSchedule> ScheduleOf(const GcFlags& flags) {
  using std::chrono::milliseconds;
  server::GcSchedule schedule;
  const auto age = tracker::ParseAge(flags.older_than);
  if (!age.ok()) return age.error().With("--gc-older-than");
  schedule.older_than = milliseconds(*age);
  if (flags.every.empty()) return schedule;
  const auto every = tracker::ParseAge(flags.every);
  if (!every.ok()) return every.error().With("--gc-every");
  constexpr std::int64_t kLeast = 1'000;
  if (*every < kLeast) return Invalid("--gc-every is '" + flags.every + "'; wanted 1s or more");
  schedule.every = milliseconds(*every);
  return schedule;
}

}  // namespace muster::cli
