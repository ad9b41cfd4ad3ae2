#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "registry/evaluation.h"
#include "registry/model_store.h"
#include "runtime/wire/sweep_spec.h"

/// What a candidate must show before its version may get an alias. Gates are data (`gates:` in a sweep file, and
/// in a file of the model that stands beside every sweep's own). The decision is pure; the figures come from the
/// inference engine on held-out rows, never from what the trial says of itself.
///
///   kind         keys                                            passes when
///   threshold    metric, at_least, at_most                       the figure is within
///   better_than  metric, better_than [margin]                    it is strictly better than the alias' version on the
///                                                                same rows; nobody there: passes, and says so
///   folds        folds: k with metric and at_least, at_most      the mean over k folds of the rows is shown to be
///                or better_than [margin]                         (Nadeau and Bengio's corrected t)
///   segments     per_segment: column with metric and at_least,   it is shown in every group of the column, Holm
///                at_most, or better_than and margin              over the groups
///   fairness     fairness {measure, segment, positive}, a bound  the measure between the groups is within; four_fifths
///                                                                is demographic_parity_ratio >= 0.8
///   calibration  calibration {measure, bins}, at_most            ece or brier is at most that
///   robustness   robustness {noise or missing, drop_at_most},    the metric of rows made worse drops by no more
///                metric
///   latency      latency {batch, p50_ms, p99_ms}                 quantiles of calls of the engine are at most that
///   size         size_bytes                                      so is the exported file
///   parity       parity, tolerance                               largest |r - e| / max(1, |r|) over all outputs r of
///                LibTorch and e of the engine <= tolerance (numpy.testing.assert_allclose with rtol = atol;
///                rounding grows with the number, so a bound on |r - e| alone would refuse confident models), and
///                over the first rows again in calls of 1, 3 and 64; 1e-5 of FP32 where no tolerance is given
///   compressed   compressed {agreement_at_least, drop_at_most},  decisions agree with those of the version that it was
///                metric                                          made of, and the metric drops by no more
///
/// `confidence` (0.5 to 0.9999) asks any of them but latency's sample, parity and size to hold for the two-sided
/// interval and not only for the figure: the candidate bears the burden of proof, so that too little data refuses.
/// Two sides at 0.95 leave 2.5 % to a wrong pass, as is usual for non-inferiority. `folds` and `per_segment` are tests and
/// have 0.95 without it. Without `confidence` a threshold and better_than go by the figures alone: demanding
/// significance where nobody asked would freeze a champion for ever on a few hundred rows, with nothing said; the
/// interval is computed all the same and stands in the verdict.
///
/// A NaN among the candidate's outputs fails every gate that looks at them. A test with fewer rows than it wants fails with
/// both numbers. Everything is deterministic (seeds come from the rows' digest) but latency.

namespace muster::registry {

/// The version that the candidate is compared with.
struct Incumbent {
  std::int64_t version = 0;
  /// Its outputs (N, W) on the candidate's rows, or why there are none, which fails the gate.
  Result<std::vector<float>> logits = Internal("not computed");
};

struct GateEvidence {
  const Evaluation* evaluation = nullptr;
  std::vector<float> logits;           ///< (N, W), the candidate's, by the engine
  std::optional<Incumbent> incumbent;  ///< of the alias named by better_than
  /// The candidate's outputs on the same rows with other inputs; of robustness.
  std::function<Result<std::vector<float>>(const Evaluation& changed)> predict = {};
  /// Milliseconds of calls with `batch` rows, one after the other, after a warm-up; of latency.
  std::function<Result<std::vector<double>>(std::int64_t batch)> time_calls = {};
  std::int64_t model_bytes = 0;               ///< of the exported file, with its external data
  ElementType precision = ElementType::kF32;  ///< the coarsest type of its outputs
  /// The candidate's outputs on the first `rows` rows, (rows, W), `batch` rows a call; of parity. None: the outputs
  /// above alone are compared.
  std::function<Result<std::vector<float>>(std::int64_t rows, std::int64_t batch)> predict_batches =
      {};
  /// The outputs (N, W) of the version that a compressed candidate was made of.
  std::optional<std::vector<float>> full = std::nullopt;
};

/// kInvalid, beginning with the key's place ("gates[1].margin: "), for a gate that says nothing or two things, a
/// number out of its range, a metric that cannot be computed, or a second alias to be better than: one incumbent is
/// what a promotion's compare-and-swap compares with. For checking a file before it is used.
Status CheckGates(const std::vector<wire::GateSpec>& gates);
/// "test/accuracy >= 0.97", "better than champion on test/accuracy", "parity"; two gates that ask for different
/// things have different names.
std::string GateName(const wire::GateSpec& gate);
/// One verdict a gate, in order. Parity is judged last, at its default tolerance, where no gate asks for it: no
/// model gets an alias without that comparison; for a compressed candidate `compressed` takes its place. kInvalid as
/// CheckGates, or for a metric that the rows' task has not; kUnavailable, kIo and kResource of the functions above.
Result<std::vector<GateVerdict>> DecideGates(const std::vector<wire::GateSpec>& gates,
                                             const GateEvidence& evidence);
bool AllPassed(const std::vector<GateVerdict>& verdicts);
/// "3 of 4 gates passed; refused by parity: ..." for people.
std::string Summary(const std::vector<GateVerdict>& verdicts);

/// SHA-256 in hex of the held-out rows: of every tensor its name, type, shape and bytes, of labels, targets and
/// segments too. Two verdicts with one digest were judged on the same rows.
std::string RowsDigest(const Evaluation& evaluation);

}  // namespace muster::registry
