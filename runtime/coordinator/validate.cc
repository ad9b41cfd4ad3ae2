#include "runtime/coordinator/validate.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "registry/gates.h"
#include "registry/model_rules.h"
#include "runtime/coordinator/trial_command.h"
#include "runtime/wire/error_path.h"

namespace muster::coordinator {
namespace {

constexpr std::int64_t kMostInAGang = 100'000;  // ranks, slots, GPUs

Error At(std::string_view path, std::string_view what) {
  return Invalid("at " + std::string(path) + ": " + std::string(what));
}

Status AtLeast(std::string_view path, std::int64_t value, std::int64_t low) {
  if (value >= low) return Ok();
  return At(path, "wanted at least " + std::to_string(low) + ", got " + std::to_string(value));
}

Status AtMost(std::string_view path, std::int64_t value, std::int64_t high) {
  if (value <= high) return Ok();
  return At(path, "wanted at most " + std::to_string(high) + ", got " + std::to_string(value));
}

int Times(int ranks, int each) {
  constexpr std::int64_t kLargest = std::numeric_limits<int>::max();
  return static_cast<int>(std::min(kLargest, std::int64_t{ranks} * each));
}

bool IsIdText(std::string_view text) {
  return !text.empty() && text.size() <= 128 && text.front() != '.' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

Status ValidateTrial(const wire::SweepSpec& spec) {
  const wire::TrialSpec& trial = spec.trial;
  if (trial.program.empty() == trial.command.empty()) {
    return At("trial", "wanted either program or command, got " +
                           std::string(trial.program.empty() ? "neither" : "both"));
  }
  if (!trial.command.empty() && trial.command[0].empty()) {
    return At("trial.command[0]", "the program to run is empty");
  }
  MUSTER_RETURN_IF_ERROR(AtLeast("trial.ranks", trial.ranks, 1));
  MUSTER_RETURN_IF_ERROR(AtLeast("trial.resources.cpu", trial.resources.cpu, 1));
  MUSTER_RETURN_IF_ERROR(AtLeast("trial.resources.gpu", trial.resources.gpu, 0));
  MUSTER_RETURN_IF_ERROR(AtLeast("trial.resources.memory_bytes", trial.resources.memory_bytes, 0));
  MUSTER_RETURN_IF_ERROR(AtMost("trial.ranks", trial.ranks, kMostInAGang));
  for (const auto& [key, each] :
       {std::pair("cpu", trial.resources.cpu), std::pair("gpu", trial.resources.gpu)}) {
    const std::int64_t all = std::int64_t{trial.ranks} * each;
    if (all <= kMostInAGang) continue;
    return At(std::string("trial.resources.") + key,
              std::to_string(trial.ranks) + " ranks of " + std::to_string(each) + " are " +
                  std::to_string(all) + "; wanted at most " + std::to_string(kMostInAGang));
  }
  return ValidatePlaceholders(spec);
}

Status ValidateSearch(const wire::SweepSpec& spec) {
  auto space = tuner::ParseSpace(spec.space);
  if (!space.ok()) return wire::Under("space", space.error());
  for (const auto& [name, value] : spec.fixed) {
    if (spec.space.contains(name)) return At("fixed." + name, "is a parameter of the space, too");
    if (value.is_structured() || value.is_null()) {
      return At("fixed." + name, "wanted a number, a text, true or false");
    }
  }
  auto sampler = tuner::MakeSampler(spec.sampler, *space, spec.seed);
  if (!sampler.ok()) return At("sampler", sampler.error().message);
  auto pruner = tuner::MakePruner(spec.stop);
  if (!pruner.ok()) return wire::Under("stop", pruner.error());
  return Ok();
}

Status ValidateModel(const wire::SweepSpec& spec) {
  if (!spec.model) return Ok();
  if (spec.model->name.empty()) return At("model.name", "missing; the registered model's name");
  if (spec.trial.program.empty()) {
    return At("model", "only a trial with a program can be exported and promoted by muster");
  }
  if (const Status name = registry::CheckModelName(spec.model->name); !name.ok()) {
    return At("model.name", name.error().message);
  }
  if (const Status alias = registry::CheckNewAlias(spec.model->promote); !alias.ok()) {
    return At("model.promote", alias.error().message);
  }
  MUSTER_RETURN_IF_ERROR(AtLeast("model.approvals", spec.model->approvals, 0));
  if (const Status gates = registry::CheckGates(spec.model->gates); !gates.ok()) {
    return Invalid("at model." + gates.error().message);
  }
  return Ok();
}

}  // namespace

int SlotsOf(const wire::SweepSpec& spec) {
  return Times(spec.trial.ranks, spec.trial.resources.cpu);
}

int GpusOf(const wire::SweepSpec& spec) {
  return Times(spec.trial.ranks, spec.trial.resources.gpu);
}

Status ValidateSweepId(const SweepId& id) {
  if (IsIdText(id.value)) return Ok();
  return At("id", "wanted letters, digits, '-', '_' and '.', at most 128 of them, got '" +
                      id.value + "'");
}

Status ValidateSpec(const wire::SweepSpec& spec) {
  if (spec.name.empty()) return At("name", "missing; the sweep's name");
  if (!IsIdText(spec.name)) {
    return At("name", "wanted letters, digits, '-', '_' and '.', at most 128 of them, got '" +
                          spec.name + "'");
  }
  if (spec.priority < -1000 || spec.priority > 1000) {
    return At("priority", "wanted -1000 to 1000, got " + std::to_string(spec.priority));
  }
  MUSTER_RETURN_IF_ERROR(ValidateTrial(spec));
  MUSTER_RETURN_IF_ERROR(ValidateSearch(spec));
  // A lone command has nothing to compare (muster run).
  const bool alone = spec.budget.trials == 1 && spec.stop.empty() && !spec.model;
  if (spec.objective.metric.empty() && !alone) {
    return At("objective.metric", "missing; the name of the metric that is to be optimised");
  }
  if (spec.objective.goal != "maximize" && spec.objective.goal != "minimize") {
    return At("objective.goal", "wanted maximize or minimize, got '" + spec.objective.goal + "'");
  }
  MUSTER_RETURN_IF_ERROR(AtLeast("budget.trials", spec.budget.trials, 1));
  MUSTER_RETURN_IF_ERROR(AtLeast("budget.parallel", spec.budget.parallel, 0));
  MUSTER_RETURN_IF_ERROR(AtLeast("budget.time_seconds", spec.budget.time_seconds, 0));
  MUSTER_RETURN_IF_ERROR(AtMost("budget.trials", spec.budget.trials, 1'000'000));
  MUSTER_RETURN_IF_ERROR(AtLeast("retry.infra", spec.retry.infra, 0));
  MUSTER_RETURN_IF_ERROR(AtLeast("retry.user", spec.retry.user, 0));
  return ValidateModel(spec);
}

Status ValidateGang(const wire::SweepSpec& spec, const std::map<NodeId, Node>& nodes) {
  if (nodes.empty()) return Ok();
  const Node* largest = nullptr;
  int most_gpus = 0;
  const int gpus = GpusOf(spec);
  for (const auto& [id, node] : nodes) {
    if (node.slots >= SlotsOf(spec) && node.gpus >= gpus) return Ok();
    if (largest == nullptr || node.slots > largest->slots) largest = &node;
    most_gpus = std::max(most_gpus, node.gpus);
  }
  if (largest->slots < SlotsOf(spec)) {
    return At("trial.ranks", std::to_string(spec.trial.ranks) + " ranks of " +
                                 std::to_string(spec.trial.resources.cpu) + " cpu need " +
                                 std::to_string(SlotsOf(spec)) +
                                 " slots on one node; the largest, " + largest->id.value +
                                 ", has " + std::to_string(largest->slots));
  }
  return At("trial.resources.gpu",
            "the gang needs " + std::to_string(gpus) +
                " GPUs on one node with its slots; the most that a node has is " +
                std::to_string(most_gpus));
}

}  // namespace muster::coordinator
