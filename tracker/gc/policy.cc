#include "tracker/gc/policy.h"

#include <algorithm>
#include <array>
#include <boost/describe.hpp>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "runtime/wire/codec.h"

namespace muster::tracker {

BOOST_DESCRIBE_STRUCT(GcPolicy, (),
                      (older_than_ms, experiments, runs, logged_models, filter, keep_last,
                       keep_best, metric, mode, dry_run))
BOOST_DESCRIBE_STRUCT(GcReport, (),
                      (phase, dry_run, retired, experiments, runs, logged_models, points, files,
                       bytes, contents, freed_bytes, uploads, examples, kept, failed, kept_because,
                       failures))

namespace {

constexpr std::int64_t kMostKept = 1'000'000'000;

Status CheckCount(std::string_view name, const std::optional<std::int64_t>& count) {
  if (!count || (*count >= 0 && *count <= kMostKept)) return Ok();
  return Invalid(std::string(name) + " is " + std::to_string(*count) + "; wanted 0 to " +
                 std::to_string(kMostKept));
}

Status CheckBest(const GcPolicy& policy) {
  if (!policy.keep_best) {
    if (policy.metric.empty() && policy.mode.empty()) return Ok();
    return Invalid("metric and mode say which runs are the best; keep_best is missing");
  }
  if (policy.metric.empty()) return Invalid("metric is empty; wanted the key that keep_best means");
  if (policy.mode == "min" || policy.mode == "max") return Ok();
  return Invalid("mode is '" + policy.mode + "'; wanted 'min' or 'max', the better of metric '" +
                 policy.metric + "'");
}

/// Adds the ids of the first `count` of `runs`, by `before`.
template <typename Before>
void Keep(std::vector<RunFacts>& runs, std::int64_t count, Before before, std::set<RunId>& kept) {
  std::ranges::sort(runs, before);
  for (const RunFacts& run : runs) {
    if (count-- <= 0) return;
    kept.insert(run.run_id);
  }
}

}  // namespace

std::int64_t GcPolicy::age_ms() const {
  const bool named = !runs.empty() || !logged_models.empty();
  return older_than_ms.value_or(named ? 0 : kDefaultOlderThanMs);
}

std::string EncodeGcPolicy(const GcPolicy& policy) {
  return wire::SerializeJson(wire::ToJson(policy));
}

Result<GcPolicy> DecodeGcPolicy(std::string_view json) {
  MUSTER_ASSIGN_OR_RETURN(GcPolicy policy, wire::Decode<GcPolicy>(json, wire::Unknown::kRefuse));
  MUSTER_RETURN_IF_ERROR(CheckGcPolicy(policy));
  return policy;
}

Status CheckGcPolicy(const GcPolicy& policy) {
  if (policy.older_than_ms && *policy.older_than_ms < 0) {
    return Invalid("older_than_ms is " + std::to_string(*policy.older_than_ms) +
                   "; wanted 0 or more");
  }
  MUSTER_RETURN_IF_ERROR(CheckCount("keep_last", policy.keep_last));
  MUSTER_RETURN_IF_ERROR(CheckCount("keep_best", policy.keep_best));
  MUSTER_RETURN_IF_ERROR(CheckBest(policy));
  if (policy.has_rules() && (!policy.runs.empty() || !policy.logged_models.empty())) {
    return Invalid(
        "runs and logged_models name what goes; filter, keep_last and keep_best choose it: wanted "
        "one of the two");
  }
  return Ok();
}

Result<std::int64_t> ParseAge(std::string_view text) {
  constexpr auto kUnits = std::to_array<std::pair<char, double>>(
      {{'d', 86'400e3}, {'h', 3'600e3}, {'m', 60e3}, {'s', 1e3}});
  const Error wrong =
      Invalid("'" + std::string(text) + "' is no length of time; wanted 30d, 8h or 1d2h3m4s");
  double sum = 0;
  std::size_t unit = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    double number = 0;
    const auto [stop, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
    rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
    if (error != std::errc() || rest.empty() || !std::isfinite(number) || number < 0) return wrong;
    while (unit < kUnits.size() && kUnits[unit].first != rest.front()) ++unit;
    if (unit == kUnits.size()) return wrong;
    sum += number * kUnits[unit++].second;
    rest.remove_prefix(1);
  }
  constexpr double kMost = 1e15;  // 30,000 years
  if (text.empty() || sum > kMost) return wrong;
  return static_cast<std::int64_t>(sum);
}

std::vector<RunId> RunsToRetire(std::vector<RunFacts> runs, const GcPolicy& policy) {
  if (!policy.has_rules()) return {};
  std::erase_if(runs, [](const RunFacts& run) { return !run.ended; });
  std::ranges::sort(runs, {}, &RunFacts::run_id);
  const auto twice = std::ranges::unique(runs, {}, &RunFacts::run_id);
  runs.erase(twice.begin(), twice.end());
  std::set<RunId> kept;
  if (policy.keep_last) {
    Keep(
        runs, *policy.keep_last,
        [](const RunFacts& a, const RunFacts& b) {
          return std::pair(-a.start_time_ms, a.run_id) < std::pair(-b.start_time_ms, b.run_id);
        },
        kept);
  }
  if (policy.keep_best) {
    std::vector<RunFacts> measured = runs;
    std::erase_if(measured,
                  [](const RunFacts& run) { return !run.metric || std::isnan(*run.metric); });
    const double sign = policy.mode == "min" ? 1 : -1;
    Keep(
        measured, *policy.keep_best,
        [sign](const RunFacts& a, const RunFacts& b) {
          return std::pair(sign * *a.metric, a.run_id) < std::pair(sign * *b.metric, b.run_id);
        },
        kept);
  }
  std::vector<RunId> retired;
  for (RunFacts& run : runs) {
    if (!kept.contains(run.run_id)) retired.push_back(std::move(run.run_id));
  }
  std::ranges::sort(retired);
  return retired;
}

std::string EncodeGcReport(const GcReport& report) {
  return wire::SerializeJson(wire::ToJson(report));
}

Result<GcReport> DecodeGcReport(std::string_view json) { return wire::Decode<GcReport>(json); }

}  // namespace muster::tracker
