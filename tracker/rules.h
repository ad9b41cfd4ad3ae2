#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "tracker/run_store.h"

/// Rules that watch what runs log: declared once, kept by a RuleStore (rule_store.h), judged here on every point as
/// it becomes durable. A rule finds something at most once in each (run, metric); what follows, a web hook or the end of
/// the trial, is its owner's.

namespace muster::tracker {

enum class RuleKind {
  /// A value is NaN or infinite.
  kNan,
  /// `points` values in a row are worse than `bound`.
  kThreshold,
  /// `points` values in a row are worse than `bound` (> 1) times the best so far: for a best of b, than
  /// b + (bound - 1) |b| where more is worse, b - (bound - 1) |b| where less is. Not before `least` values came.
  kDivergence,
  /// The best got better by no more than `bound` (>= 0) within the last `points` values.
  kPlateau,
  /// No point came for more than `bound` (> 1) times the median of the last intervals between points, and not for
  /// `least` seconds. Not before 5 intervals were seen. The value that is reported is the silence in seconds.
  kStuck,
  /// `points` values in a row are more than `bound` (> 0) robust standard deviations (1.4826 times the median distance
  /// from the median) worse than the median of the other runs of the experiment at the same step. At least `least` of
  /// them must have come so far. The value that is reported is the number of deviations.
  kZScore,
};
/// "nan", "threshold", "divergence", "plateau", "stuck", "z_score".
std::string_view RuleKindName(RuleKind kind);

struct Rule {
  std::string name;  ///< 1 to 63 of a-z, 0-9, '.', '_', '-'
  RuleKind kind = RuleKind::kNan;
  std::string metric;         ///< its key; empty (kNan and kStuck only): each metric by itself
  std::string experiment_id;  ///< empty: of all
  bool less_is_worse = false;
  double bound = 0;
  std::int64_t points = 1;  ///< from 1 to 1,000,000
  std::int64_t least = 0;   ///< from 0 to 1,000,000
  std::string webhook_id;   ///< told when the rule finds something; empty: none
  bool stop = false;        ///< the trial whose run it is ends as cancelled
};
/// kInvalid names the field, what it is and what is wanted.
Status CheckRule(const Rule& rule);

/// What a rule found.
struct Finding {
  std::string rule;
  RunId run;
  std::string experiment_id, metric;
  double value = 0, bound = 0;  ///< the bound in the value's own unit; NaN: none
  std::int64_t step = 0;
  UnixMillis time_ms = 0;  ///< of the point; of kStuck: of the look
  std::string text;        ///< a sentence for people that names all of it
};

std::string EncodeRule(const Rule& rule);
/// kInvalid names the path; an absent member is its default, an unknown one an error. Not checked by CheckRule.
Result<Rule> DecodeRule(std::string_view json);
std::string EncodeFinding(const Finding& finding);
Result<Finding> DecodeFinding(std::string_view json);

/// Judges points. One thread; pure: times are handed in. Remembers the last kMostRuns runs that logged something
/// that a rule watches.
class RuleEngine {
 public:
  static constexpr std::size_t kMostRuns = 10'000;

  explicit RuleEngine(std::vector<Rule> rules = {}) : rules_(std::move(rules)) {}

  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }
  [[nodiscard]] bool Watches(std::string_view experiment_id, std::string_view metric) const;
  /// Points of one run in the order in which they became durable, at `now`. Points older than the newest of their
  /// metric and attempt, by (step, time), are looked at by kNan alone: so a repetition is not counted twice.
  std::vector<Finding> Observe(const RunId& run, const std::string& experiment_id,
                               std::span<const Metric> points, UnixMillis now);
  /// For kStuck; every second or so.
  std::vector<Finding> Tick(UnixMillis now);
  /// The run has ended: it is not stuck. Other runs are still compared with what it logged.
  void End(const RunId& run);

 private:
  /// What one rule has seen of one metric.
  struct Watch {
    std::int64_t values = 0, in_a_row = 0, since_best = 0;
    std::optional<double> best;
    bool found = false;
  };
  /// A metric of a run, thinned out so that it stays small.
  struct Trace {
    using Place = std::pair<std::int64_t, double>;  // step and value
    std::vector<Place> values;
    Place last;
    std::int64_t stride = 1, skipped = 0;
    void Add(std::int64_t step, double value);
    /// Forgets this step and later ones.
    void CutAt(std::int64_t step);
    /// At this step, or on the line between its neighbours; nothing before the first step and after the last.
    [[nodiscard]] std::optional<double> At(std::int64_t step) const;
  };
  struct Series {
    std::int64_t attempt = 0;
    std::optional<std::pair<std::int64_t, std::int64_t>> newest;  // (step, time)
    std::vector<std::int64_t> intervals_ms;                       // the last few
    UnixMillis last_came = 0;
    Trace trace;
    std::map<std::string, Watch, std::less<>> watches;  // by rule
  };
  struct SeenRun {
    std::string experiment_id;
    bool ended = false;
    std::uint64_t last_use = 0;
    std::map<std::string, Series, std::less<>> metrics;
  };

  SeenRun& Touch(const RunId& id, const std::string& experiment_id);
  std::optional<Finding> Judge(const Rule& rule, const RunId& id, const SeenRun& run, Watch& watch,
                               const Metric& point) const;
  [[nodiscard]] std::optional<double> Deviations(const Rule& rule, const RunId& id,
                                                 const SeenRun& run, const Metric& point) const;

  std::vector<Rule> rules_;
  std::map<RunId, SeenRun> runs_;
  std::uint64_t uses_ = 0;
};

}  // namespace muster::tracker
