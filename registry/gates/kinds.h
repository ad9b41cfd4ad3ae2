#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "registry/gates.h"
#include "registry/gates/comparison.h"

/// The kinds of gates, one file each. Private to the registry: registry/gates.h has the contract.

namespace muster::registry::gates {

/// What a test must have at least; with fewer it says nothing, and the gate fails.
inline constexpr std::int64_t kLeastRows = 30;  ///< of all, of a segment and of a fairness group
inline constexpr std::int64_t kLeastOfLabel =
    10;  ///< positives, and negatives, of a fairness group
inline constexpr std::int64_t kLeastRowsOfFold = 10;
inline constexpr std::int64_t kLeastRowsOfBin = 10;  ///< of calibration
inline constexpr std::int64_t kLeastCalls = 200;     ///< of latency
inline constexpr double kUsualConfidence = 0.95;

/// What all gates of one decision share.
struct Context {
  const GateEvidence& evidence;
  std::vector<std::int64_t> all_rows;
  std::uint64_t seed = 0;  ///< from the rows

  [[nodiscard]] const Evaluation& evaluation() const { return *evidence.evaluation; }
  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(all_rows.size()); }
  /// What is asked of all rows.
  [[nodiscard]] Question Ask(const wire::GateSpec& gate) const {
    return {gate.metric, evaluation(), all_rows, gate.confidence.value_or(kUsualConfidence), seed};
  }
};

struct Kind {
  std::string_view name;
  std::string_view keys;  ///< that mean something to it, a blank on both sides of each
  bool (*is)(const wire::GateSpec& gate);
  /// What is wrong with its numbers: "margin: wanted ..."; metric, confidence and aliases are checked for all.
  Status (*check)(const wire::GateSpec& gate);
  std::string (*title)(const wire::GateSpec& gate);
  /// Fills in everything but gate, kind and rows_sha256.
  Result<GateVerdict> (*judge)(const wire::GateSpec& gate, const Context& context);
  bool reads_outputs = true;  ///< so that NaN among them fails it
};

extern const Kind kThreshold, kBetterThan, kFolds, kSegments, kFairness, kCalibration, kRobustness,
    kLatency, kSize, kParity, kCompressed;

// --- what they share, in shared.cc ----------------------------------------------------------------

/// As people write it: 0.97, 1e-05.
std::string Number(double value);
/// "[0.91, 0.97] at 0.95"
std::string IntervalText(const statistics::Interval& interval);
/// " >= 0.9 and <= 1", then ", confidence 0.95" where it is asked for.
std::string BoundText(const wire::GateSpec& gate);
std::string ConfidenceText(const wire::GateSpec& gate);

/// kInvalid "KEY: wanted ..., got ..." unless low <= value <= high; an absent value is fine.
Status CheckRange(std::string_view key, std::optional<double> value, double low, double high);
/// Unless there is a bound; at most one where `only_one`.
Status CheckBounds(const wire::GateSpec& gate, bool only_one = false);

/// Whether `seen`, and with `confidence` the interval, lies within at_least and at_most; NaN does not. Fills in passed
/// and wanted (the bound that failed, else at_least, else at_most).
void ApplyBounds(const wire::GateSpec& gate, GateVerdict& verdict);
/// The same for a single bound from above, on a drop say.
void ApplyAtMost(const wire::GateSpec& gate, double bound, GateVerdict& verdict);
/// Verdicts that fail.
GateVerdict Fails(std::string detail);
GateVerdict TooFew(std::string_view what, std::int64_t seen, std::int64_t wanted);

/// The version that is compared with has no outputs on these rows, or NaN among them: why, else nothing.
std::optional<GateVerdict> NoIncumbent(const wire::GateSpec& gate, const Context& context);
/// "champion (version 3)"
std::string IncumbentText(const wire::GateSpec& gate, const Context& context);

struct Group {
  std::int64_t value = 0;
  std::vector<std::int64_t> rows;
};
/// The groups of a column, by ascending value; kNotFound names the columns that there are.
Result<std::vector<Group>> GroupsOf(const Evaluation& evaluation, const std::string& segment);

/// Of the tasks classes and binary (then C = 2, and the rows' threshold decides); kUnsupported of others.
struct Decisions {
  std::int64_t classes = 0;
  std::vector<double> probabilities;  ///< (N, C)
  std::vector<std::int64_t> chosen;   ///< (N)
};
Result<Decisions> DecisionsOf(const std::vector<float>& outputs, const Evaluation& evaluation);

}  // namespace muster::registry::gates
