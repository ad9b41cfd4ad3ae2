#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"

/// What `muster tracker gc` is asked to delete for good, and what came of it. Pure; any thread.

namespace muster::tracker {

inline constexpr std::int64_t kDefaultOlderThanMs = 30LL * 24 * 3'600 * 1'000;

/// In JSON: the members by name; what is absent is its default, what is unknown an error.
struct GcPolicy {
  /// How long ago it must have been deleted. Absent: 30 days; 0 where runs or logged models are named.
  std::optional<std::int64_t> older_than_ms;
  std::vector<std::string> experiments;          ///< ids or names; empty: all
  std::vector<std::string> runs, logged_models;  ///< ids; with one of them nothing else goes

  // Rules for runs that nobody deleted: those outside are deleted first, softly, each experiment by itself. Runs that
  // are running or scheduled, and those that a model version comes from, stay.
  std::string filter;                     ///< which runs the rules are about, in MLflow's grammar
  std::optional<std::int64_t> keep_last;  ///< keep so many, the newest by their start
  std::optional<std::int64_t> keep_best;  ///< keep so many, the best by `metric`'s latest value
  std::string metric;
  std::string mode;  ///< "min" or "max"

  bool dry_run = false;  ///< change nothing, tell what would go

  [[nodiscard]] bool has_rules() const { return !filter.empty() || keep_last || keep_best; }
  [[nodiscard]] std::int64_t age_ms() const;
};

std::string EncodeGcPolicy(const GcPolicy& policy);
/// kInvalid names the member; checked by CheckGcPolicy.
Result<GcPolicy> DecodeGcPolicy(std::string_view json);
Status CheckGcPolicy(const GcPolicy& policy);

/// "30d", "1d2h3m4s", "1.5h" as `mlflow gc --older-than` takes it: days, hours, minutes and seconds in this order.
/// In milliseconds.
Result<std::int64_t> ParseAge(std::string_view text);

/// A live run, as the rules see it.
struct RunFacts {
  RunId run_id;
  std::int64_t start_time_ms = 0;
  bool ended = false;
  std::optional<double> metric;  ///< NaN counts as lacking it
};
/// The runs of one experiment that the policy's rules do not keep. Of equals the smaller id stays. One that comes
/// twice counts once.
std::vector<RunId> RunsToRetire(std::vector<RunFacts> runs, const GcPolicy& policy);

struct GcReport {
  /// "rules", "marking", "rows", "artifacts", "contents" while it is under way, at last "done".
  std::string phase;
  bool dry_run = false;      ///< then all of this is what would go; points and bytes about
  std::int64_t retired = 0;  ///< runs that the rules deleted, softly
  std::int64_t experiments = 0, runs = 0, logged_models = 0, points = 0;
  std::int64_t files = 0, bytes = 0;  ///< artifacts, by name
  /// What the artifact store could free: contents that no name has any more, here or from before.
  std::int64_t contents = 0, freed_bytes = 0, uploads = 0;
  std::vector<std::string>
      examples;  ///< "run 1a2b (name)": the first of what goes, kMostNamed at most
  std::int64_t kept = 0, failed = 0;
  std::vector<std::string> kept_because, failures;  ///< a sentence each, kMostNamed at most

  static constexpr std::size_t kMostNamed = 20;
};
std::string EncodeGcReport(const GcReport& report);
Result<GcReport> DecodeGcReport(std::string_view json);

}  // namespace muster::tracker
