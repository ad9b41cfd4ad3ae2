#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// A sweep as it is submitted: the sweep file as structs. The CLI reads it from YAML (runtime/config); the
/// server gets it as JSON with the same keys. Durations and sizes are numbers here
/// ("30m" in YAML is 1800 s, "1GiB" is 1073741824 bytes).

namespace muster::wire {

struct ResourceSpec {  ///< of each rank
  int cpu = 1;
  double gpu = 0;                     ///< whole devices, or below 1 a share of one
  std::int64_t gpu_memory_bytes = 0;  ///< on each of its devices; 0: whatever there is
  std::int64_t memory_bytes = 0;      ///< 0: no limit
  std::map<std::string, std::int64_t>
      custom;  ///< amounts of what nodes name (--resource NAME=AMOUNT)
};

struct TrialSpec {
  std::string program;               ///< a trial that ships, started over MPI; or ...
  std::vector<std::string> command;  ///< ... any command; "{name}" stands for a parameter
  int ranks = 1;
  int nodes = 1;  ///< the most that the gang may spread over; 0: as many as it takes
  std::map<std::string, std::string> labels;  ///< that a node must have
  ResourceSpec resources;
  std::map<std::string, std::string> env;
  /// Of a command. A sweep file's is relative to the file's folder, which stands for an absent one; in a
  /// spec it is absolute, or empty for a folder of the attempt's own.
  std::string working_dir;
  std::int64_t time_seconds = 0;  ///< of one attempt, from the start of its ranks; 0: no limit
};

struct ObjectiveSpec {
  std::string metric;
  std::string goal = "maximize";  ///< "maximize" or "minimize"
  [[nodiscard]] bool maximize() const { return goal == "maximize"; }
};

struct BudgetSpec {
  int trials = 1;
  int parallel = 0;               ///< 0: auto, as many as the slots hold
  std::int64_t time_seconds = 0;  ///< 0: no limit
};

inline constexpr int kUnlimited = -1;

/// How often a trial starts again after attempts that ended for a cause (wire::ExitCause), each up to
/// kUnlimited. A cause without a number shares the one it stands beside.
struct RetrySpec {
  int user = 0;                          ///< the trial's own program failed
  std::optional<int> oom, hang;          ///< ... or `user`
  int infra = 5;                         ///< it could not be started, or muster failed
  std::optional<int> node, fenced;       ///< ... or `infra`
  std::optional<int> preempt, walltime;  ///< set when the sweep is accepted: kUnlimited
  std::optional<int> crashes;  ///< nodes that may die under it: it fails with the last one; 5
};

/// What becomes of an attempt that failed after a line of its output matched.
enum class LogReaction {
  kFail,         ///< the trial fails with the line
  kExcludeNode,  ///< the sweep uses the node no more, and the attempt is not counted
  kRetry,        ///< the attempt is not counted
};

struct LogRule {
  std::string match;  ///< as runtime/pattern reads it
  std::optional<LogReaction> reaction;
};

/// Of ranks that hang (runtime/agent/hang.h has the rules).
struct HangSpec {
  std::int64_t after_seconds = 45;  ///< stuck for so long; 0: nobody looks
  std::int64_t first_seconds =
      300;  ///< the same before the first step, and for programs without steps
  std::string action = "restart";  ///< "report", "restart" or "kill"; `do` in a sweep file
};

/// Between the groups of a segment; a bound by at_most or at_least.
struct FairnessGate {
  std::string measure;  ///< demographic_parity_difference, ..., four_fifths: registry/gates/kinds.h
  std::string segment;  ///< a column of the held-out rows
  int positive = 1;     ///< the class that is the favourable outcome
};
/// Of the probabilities; a bound by at_most.
struct CalibrationGate {
  std::string measure = "ece";  ///< or "brier"
  int bins = 15;                ///< of ece
};
/// The metric of rows that were made worse.
struct RobustnessGate {
  std::optional<double> noise;    ///< gaussian, in standard deviations of each column
  std::optional<double> missing;  ///< the share of values that are replaced ...
  double value = 0;               ///< ... by this
  double drop_at_most = 0;        ///< of the metric
};
/// Of one call of the engine with `batch` rows.
struct LatencyGate {
  int batch = 1;
  std::optional<double> p50_ms, p99_ms;  ///< at most
};
/// A compressed version against the one that it was made of.
struct CompressedGate {
  double agreement_at_least = 0.99;  ///< the share of decisions that are the same
  double drop_at_most = 0.01;        ///< of the metric
};

/// What a candidate must show (registry/gates.h). Of one kind, which its keys say.
struct GateSpec {
  std::string metric;
  std::optional<double> at_least;
  std::optional<double> at_most;
  std::string better_than;          ///< an alias, "champion"
  bool parity = false;              ///< LibTorch against the inference engine
  std::optional<double> tolerance;  ///< of parity; absent: by the type that the model computes in
  std::optional<double>
      confidence;                ///< the bound must hold for the interval, not only for the figure
  std::optional<double> margin;  ///< of better_than: how much worse is still good enough
  std::optional<int> folds;      ///< of the held-out rows
  std::optional<std::string>
      per_segment;  ///< a column of the held-out rows, in each of whose groups it must hold
  std::optional<FairnessGate> fairness;
  std::optional<CalibrationGate> calibration;
  std::optional<RobustnessGate> robustness;
  std::optional<LatencyGate> latency;
  std::optional<std::int64_t> size_bytes;  ///< of the exported file, at most
  std::optional<CompressedGate> compressed;
};

struct ModelSpec {
  std::string name;
  std::vector<GateSpec> gates;
  int approvals = 0;
  std::string promote = "champion";  ///< the alias a passing version gets
  std::vector<std::string>
      segments;  ///< columns of the held-out rows that tell groups of them apart
};

/// The Git repository of the sweep file's folder, as `muster sweep submit` found it.
struct CodeSpec {
  std::string commit;       ///< hexadecimal; empty: no repository
  bool dirty = false;       ///< files differ from the commit, or are not in it
  std::string diff_sha256;  ///< of `git diff --binary HEAD`; empty: there is none
  std::string diff;         ///< itself; empty when it is above kCodeDiffMax, or no UTF-8
};
inline constexpr std::size_t kCodeDiffMax = std::size_t{256} << 10;

/// A figure that somebody who watches the model sends (POST triggers/NAME/signal), and the bound from which on it asks
/// for a retraining; without bounds every value does.
struct SignalCondition {
  std::string kind;  ///< "drift", "score", ...: as the sender calls it
  std::optional<double> at_least, at_most;
};
/// A signed web hook as GitHub sends it (POST triggers/NAME/webhook).
struct WebhookCondition {
  std::vector<std::string> events;  ///< X-GitHub-Event; empty: all but ping
  std::string ref;                  ///< "refs/heads/main"; empty: any
  std::int64_t age_seconds = 3600;  ///< of the body, where it says when it was made: at most
};
/// What holds a retraining back. `seconds` keys are durations ("6h") in a sweep file, without the word.
struct RetrainGuards {
  std::int64_t cooldown_seconds = 0;        ///< after the last one of the model has ended
  std::int64_t dedup_seconds = 86'400;      ///< so long a key is not taken a second time
  int retrainings = 0;                      ///< of this trigger in any period, at most; 0: no limit
  double trial_seconds = 0;                 ///< that they may take in any period: slots times time
  std::int64_t period_seconds = 604'800;    ///< a week
  std::int64_t approval_seconds = 604'800;  ///< an approval is waited for so long,
  std::int64_t canary_seconds = 604'800;    ///< and the end of a canary
};
/// When the sweep is submitted again, and how.
struct RetrainSpec {
  std::string cron;               ///< five fields; empty: not by the clock
  std::string tz;                 ///< of cron, an IANA name: "Europe/Berlin"; empty: UTC
  std::vector<std::string> data;  ///< roles whose files are watched: a new digest submits
  std::vector<SignalCondition> signals;
  std::optional<WebhookCondition> webhook;
  RetrainGuards guards;
  bool warm_start = true;  ///< begin with the parameters and the trials that made the champion
  bool compare = true;     ///< want it better than the champion, where no gate says so already
  bool canary =
      false;  ///< a version that passes becomes @challenger, and champion after its canary
};

/// The trials of an earlier sweep with the same objective, which this one begins with as its history.
struct WarmStartSpec {
  std::string sweep;
  double weight = 1;  ///< how much they count beside its own trials, (0, 1]
};

/// A trial that ended before the sweep began.
struct ImportedTrial {
  boost::json::object params;
  std::string state = "complete";  ///< or "failed", by its configuration
  std::vector<double> values;      ///< one an objective, when complete
  double weight = 1;
};

struct SweepSpec {
  std::string name;
  int priority = 0;  ///< higher goes first, -1000 to 1000; equals share fairly
  std::uint64_t seed = 0;
  TrialSpec trial;
  std::map<std::string, std::string> data;  ///< role (train, validation, test) -> absolute path
  boost::json::object space;                ///< as `tuner::Space` reads it
  std::vector<std::string> constraints;     ///< between its parameters: "lr * batch < 1"
  ObjectiveSpec objective;
  std::vector<ObjectiveSpec> more_objectives;  ///< a trade-off is searched when there are any
  BudgetSpec budget;
  std::string sampler = "auto";
  boost::json::object stop;  ///< {} or {"asha": {...}} or {"median": {...}}
  RetrySpec retry;
  std::vector<LogRule> on_log;
  HangSpec hang;
  std::optional<ModelSpec> model;
  std::optional<CodeSpec> code;
  std::optional<RetrainSpec> retrain;
  std::vector<boost::json::object> enqueue;  ///< the parameters of its first trials, whole
  std::vector<WarmStartSpec> warm_start;
  std::vector<ImportedTrial> imported;
  std::map<std::string, boost::json::value> fixed;  ///< parameters that do not vary
};

boost::json::value ToJson(const SweepSpec& spec);
/// Structure and types only (an unknown key is refused with its path); what the keys mean is checked by
/// `coordinator::ValidateSpec`.
Result<SweepSpec> SweepSpecFromJson(const boost::json::value& json);

boost::json::value ToJson(const RetrainSpec& spec);
/// Strict, as SweepSpecFromJson.
Result<RetrainSpec> RetrainSpecFromJson(const boost::json::value& json);

boost::json::value ToJson(const std::vector<GateSpec>& gates);
/// A list of gates, strict as SweepSpecFromJson.
Result<std::vector<GateSpec>> GateSpecsFromJson(const boost::json::value& json);

}  // namespace muster::wire
