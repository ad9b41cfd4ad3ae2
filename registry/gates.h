#pragma once

#include <optional>
#include <string>
#include <vector>

#include "registry/evaluation.h"
#include "registry/model_store.h"
#include "runtime/wire/sweep_spec.h"

/// What a candidate must show before its version may get an alias. The decision is pure; the figures come
/// from the inference engine on held-out rows, never from what the trial says of itself.
///
///   threshold     metric at_least a and/or at_most b
///   better_than   strictly better than the alias' version on the same rows; nobody there: passes, and says so
///   parity        largest |r - e| / max(1, |r|) over all logits r of LibTorch and e of the engine <= tolerance;
///                 NaN fails. Rounding of f32 grows with the number, so a bound on |r - e| alone would refuse
///                 confident models (the convention of numpy.testing.assert_allclose with rtol = atol)

namespace muster::registry {

/// The version that the candidate is compared with.
struct Incumbent {
  std::int64_t version = 0;
  /// Its logits (N, C) on the candidate's rows, or why there are none, which fails the gate.
  Result<std::vector<float>> logits = Internal("not computed");
};

struct GateEvidence {
  const Evaluation* evaluation = nullptr;
  std::vector<float> logits;           ///< (N, C), the candidate's, by the engine
  std::optional<Incumbent> incumbent;  ///< of the alias named by better_than
};

/// kInvalid, beginning with the gate's place ("gates[1]: "), for a gate that says nothing, a metric that cannot
/// be computed, or a second alias to be better than: one incumbent is what a promotion's compare-and-swap
/// compares with. For checking a sweep before it runs.
Status CheckGates(const std::vector<wire::GateSpec>& gates);
/// "test/accuracy >= 0.97", "better than champion on test/accuracy", "parity".
std::string GateName(const wire::GateSpec& gate);
/// One verdict a gate, in order; parity is judged last, at its default tolerance, where no gate asks for it: no
/// model gets an alias without that comparison. kInvalid as CheckGates.
Result<std::vector<GateVerdict>> DecideGates(const std::vector<wire::GateSpec>& gates,
                                             const GateEvidence& evidence);
bool AllPassed(const std::vector<GateVerdict>& verdicts);
/// "3 of 4 gates passed; refused by parity: ..." for people.
std::string Summary(const std::vector<GateVerdict>& verdicts);

}  // namespace muster::registry
