#include "registry/gates.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

#include "registry/gates/kinds.h"
#include "registry/model_rules.h"
#include "runtime/base/sha256.h"

namespace muster::registry {
namespace {

using gates::Kind;

/// The first that fits is the kind: what is asked beside metric and bounds comes before what those say alone.
constexpr std::array kKinds{&gates::kParity,     &gates::kCompressed, &gates::kSize,
                            &gates::kLatency,    &gates::kRobustness, &gates::kCalibration,
                            &gates::kFairness,   &gates::kFolds,      &gates::kSegments,
                            &gates::kBetterThan, &gates::kThreshold};

const Kind* KindOf(const wire::GateSpec& gate) {
  const auto found = std::ranges::find_if(kKinds, [&](const Kind* kind) { return kind->is(gate); });
  return found == kKinds.end() ? nullptr : *found;
}

/// The keys that a gate has.
std::vector<std::string_view> KeysOf(const wire::GateSpec& gate) {
  std::vector<std::string_view> keys;
  const auto add = [&](std::string_view key, bool there) {
    if (there) keys.push_back(key);
  };
  add("metric", !gate.metric.empty());
  add("at_least", gate.at_least.has_value());
  add("at_most", gate.at_most.has_value());
  add("better_than", !gate.better_than.empty());
  add("parity", gate.parity);
  add("tolerance", gate.tolerance.has_value());
  add("confidence", gate.confidence.has_value());
  add("margin", gate.margin.has_value());
  add("folds", gate.folds.has_value());
  add("per_segment", gate.per_segment.has_value());
  add("fairness", gate.fairness.has_value());
  add("calibration", gate.calibration.has_value());
  add("robustness", gate.robustness.has_value());
  add("latency", gate.latency.has_value());
  add("size_bytes", gate.size_bytes.has_value());
  add("compressed", gate.compressed.has_value());
  return keys;
}

bool Takes(const Kind& kind, std::string_view key) {
  return kind.keys.find(" " + std::string(key) + " ") != std::string_view::npos;
}

/// "KEY: sentence", or a sentence.
Status CheckGate(const wire::GateSpec& gate) {
  const Kind* kind = KindOf(gate);
  if (kind == nullptr) {
    return Invalid(
        "a gate wants one of at_least, at_most, better_than (of a metric), parity, fairness, "
        "calibration, robustness, latency, size_bytes, compressed");
  }
  for (const std::string_view key : KeysOf(gate)) {
    if (Takes(*kind, key)) continue;
    return Invalid(std::string(key) + ": says nothing to a gate of the kind " +
                   std::string(kind->name) + ", whose keys are" + std::string(kind->keys));
  }
  if (Takes(*kind, "metric")) {
    if (gate.metric.empty()) return Invalid("metric: missing; a gate wants a metric");
    if (const auto known = HigherIsBetter(gate.metric); !known.ok()) {
      return known.error().With("metric");
    }
  }
  if (!gate.better_than.empty()) {
    const Status alias = CheckAlias(gate.better_than);
    if (!alias.ok()) return alias.error().With("better_than");
  }
  // Above the highest, an interval from 2,000 resamples would rest on less than one of them.
  MUSTER_RETURN_IF_ERROR(gates::CheckRange("confidence", gate.confidence, 0.5, 0.999));
  MUSTER_RETURN_IF_ERROR(gates::CheckRange("margin", gate.margin, 0, 1e9));
  if (gate.margin && gate.better_than.empty()) {
    return Invalid("margin: wanted better_than beside it; a bound has no margin");
  }
  return kind->check(gate);
}

/// Of any task, for a compressed candidate's gate that nobody wrote.
std::string UsualMetric(Task task) {
  switch (task) {
    case Task::kRegression:
      return "loss";
    case Task::kRetrieval:
      return "mrr";
    default:
      return "accuracy";
  }
}

void AddTensor(Sha256& hash, std::string_view name, ElementType type,
               const std::vector<std::int64_t>& shape, std::string_view bytes) {
  hash.Update(std::to_string(name.size()) + ":" + std::string(name) + " " +
              std::string(ElementTypeName(type)) + " " + ShapeText(shape) + " " +
              std::to_string(bytes.size()) + ":");
  hash.Update(bytes);
}

template <typename T>
std::string_view BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::uint64_t SeedOf(const std::string& digest) {
  std::uint64_t seed = 0;
  std::from_chars(digest.data(), digest.data() + 16, seed, 16);
  return seed;
}

}  // namespace

Status CheckGates(const std::vector<wire::GateSpec>& gates) {
  std::string compared;
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const std::string& alias = gates[i].better_than;
    Status status = CheckGate(gates[i]);
    if (status.ok() && !alias.empty() && !compared.empty() && alias != compared) {
      status = Invalid("better_than: '" + alias + "'; an earlier gate compares with '" + compared +
                       "', and one alias is what a candidate is compared with");
    }
    if (!status.ok()) {
      // "margin: ..." becomes "gates[1].margin: ...", a place in the file.
      const std::string& sentence = status.error().message;
      const auto key = sentence.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789.");
      const bool placed = key != std::string::npos && key > 0 && sentence[key] == ':';
      return Invalid("gates[" + std::to_string(i) + "]" + (placed ? "." : ": ") + sentence);
    }
    if (!alias.empty()) compared = alias;
  }
  return Ok();
}

std::string GateName(const wire::GateSpec& gate) {
  const Kind* kind = KindOf(gate);
  return kind == nullptr ? "nothing" : kind->title(gate);
}

std::string RowsDigest(const Evaluation& evaluation) {
  Sha256 hash;
  for (const Tensor& input : evaluation.inputs) {
    AddTensor(hash, input.name, input.type, input.shape, BytesOf(input.bytes));
  }
  AddTensor(hash, "labels", ElementType::kI64, {}, BytesOf(evaluation.labels));
  AddTensor(hash, "targets", ElementType::kF32, {}, BytesOf(evaluation.targets));
  for (const auto& [name, values] : evaluation.segments) {
    AddTensor(hash, "segment." + name, ElementType::kI64, {}, BytesOf(values));
  }
  return hash.Hex();
}

Result<std::vector<GateVerdict>> DecideGates(const std::vector<wire::GateSpec>& gates,
                                             const GateEvidence& evidence) {
  MUSTER_RETURN_IF_ERROR(CheckGates(gates));
  MUSTER_CHECK(evidence.evaluation != nullptr, "gates are judged on rows");
  std::vector<wire::GateSpec> asked = gates;
  const auto has = [&](const Kind& kind) {
    return std::ranges::any_of(asked, [&](const auto& gate) { return KindOf(gate) == &kind; });
  };
  if (evidence.full) {
    std::erase_if(asked, [](const wire::GateSpec& gate) { return gate.parity; });
    if (!has(gates::kCompressed)) {
      asked.push_back(
          {.metric = UsualMetric(evidence.evaluation->task), .compressed = wire::CompressedGate{}});
    }
  } else if (!has(gates::kParity)) {
    asked.push_back({.metric = {}, .parity = true});
  }
  const std::string digest = RowsDigest(*evidence.evaluation);
  gates::Context context{evidence, {}, SeedOf(digest)};
  context.all_rows.resize(static_cast<std::size_t>(evidence.evaluation->rows()));
  std::iota(context.all_rows.begin(), context.all_rows.end(), 0);
  const auto nan = std::ranges::find_if(evidence.logits, [](float x) { return std::isnan(x); });
  std::vector<GateVerdict> verdicts;
  for (const wire::GateSpec& gate : asked) {
    const Kind& kind = *KindOf(gate);
    MUSTER_ASSIGN_OR_RETURN(GateVerdict verdict, kind.judge(gate, context));
    if (kind.reads_outputs && nan != evidence.logits.end()) {
      verdict.passed = false;
      verdict.detail +=
          "; output " + std::to_string(nan - evidence.logits.begin()) + " of the candidate is NaN";
    }
    verdict.gate = kind.title(gate);
    verdict.kind = kind.name;
    verdict.rows_sha256 = digest;
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

bool AllPassed(const std::vector<GateVerdict>& verdicts) {
  return std::all_of(verdicts.begin(), verdicts.end(),
                     [](const GateVerdict& verdict) { return verdict.passed; });
}

std::string Summary(const std::vector<GateVerdict>& verdicts) {
  if (verdicts.empty()) return "no gates were judged";
  const auto passed = std::count_if(verdicts.begin(), verdicts.end(),
                                    [](const GateVerdict& verdict) { return verdict.passed; });
  std::string text =
      std::to_string(passed) + " of " + std::to_string(verdicts.size()) + " gates passed";
  for (const GateVerdict& verdict : verdicts) {
    if (!verdict.passed) text += "; refused by " + verdict.gate + ": " + verdict.detail;
  }
  return text;
}

}  // namespace muster::registry
