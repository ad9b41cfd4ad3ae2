#include "runtime/coordinator/validate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <deque>
#include <set>
#include <utility>

#include "registry/gates.h"
#include "registry/model_rules.h"
#include "runtime/coordinator/quota.h"
#include "runtime/coordinator/search_spec.h"
#include "runtime/coordinator/trial_command.h"
#include "runtime/pattern/pattern_set.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/error_path.h"

namespace muster::coordinator {
namespace {

constexpr std::int64_t kMostInAGang = 100'000;              // ranks, slots, GPUs
constexpr std::int64_t kLongestTime = 10LL * 365 * 86'400;  // seconds
// Each line of a rank's output is looked at with all of them.
constexpr std::size_t kMostLogRules = 16, kLongestPattern = 1'000;

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

bool IsIdText(std::string_view text) {
  return !text.empty() && text.size() <= 128 && text.front() != '.' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

/// 4, 0.5
std::string NumberText(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.12g", number);
  return text.data();
}

Status ValidateResources(const wire::TrialSpec& trial) {
  const wire::ResourceSpec& each = trial.resources;
  MUSTER_RETURN_IF_ERROR(AtLeast("trial.resources.cpu", each.cpu, 1));
  MUSTER_RETURN_IF_ERROR(AtLeast("trial.resources.memory_bytes", each.memory_bytes, 0));
  MUSTER_RETURN_IF_ERROR(AtLeast("trial.resources.gpu_memory_bytes", each.gpu_memory_bytes, 0));
  for (const auto& [name, amount] : each.custom) {
    if (name == "cpu" || name == "gpu" || name == "memory") {
      return At("trial.resources.custom." + name, "is counted already; write resources." + name);
    }
    MUSTER_RETURN_IF_ERROR(AtLeast("trial.resources.custom." + name, amount, 0));
  }
  const bool whole = each.gpu == std::floor(each.gpu);
  if (!(each.gpu >= 0) || (each.gpu > 1 && !whole) || (each.gpu > 0 && each.gpu < 0.001)) {
    return At(
        "trial.resources.gpu",
        "wanted whole devices or a share between 0.001 and 1 of one, got " + NumberText(each.gpu));
  }
  if (each.gpu == 0 && each.gpu_memory_bytes > 0) {
    return At("trial.resources.gpu_memory_bytes", "wants a GPU; write gpu: 1 or a share of one");
  }
  for (const auto& [key, amount] :
       {std::pair("cpu", double(each.cpu)), std::pair("gpu", each.gpu)}) {
    const double all = trial.ranks * amount;
    if (all <= kMostInAGang) continue;
    return At(std::string("trial.resources.") + key,
              std::to_string(trial.ranks) + " ranks of " + NumberText(amount) + " are " +
                  NumberText(all) + "; wanted at most " + std::to_string(kMostInAGang));
  }
  return Ok();
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
  MUSTER_RETURN_IF_ERROR(AtMost("trial.ranks", trial.ranks, kMostInAGang));
  MUSTER_RETURN_IF_ERROR(AtLeast("trial.time_seconds", trial.time_seconds, 0));
  MUSTER_RETURN_IF_ERROR(AtMost("trial.time_seconds", trial.time_seconds, kLongestTime));
  MUSTER_RETURN_IF_ERROR(AtLeast("trial.nodes", trial.nodes, 0));
  MUSTER_RETURN_IF_ERROR(ValidateResources(trial));
  if (const auto bind = trial.env.find("MUSTER_BIND"); bind != trial.env.end()) {
    constexpr std::array<std::string_view, 4> kWays{"auto", "none", "numa", "core"};
    if (std::ranges::count(kWays, bind->second) == 0)
      return At("trial.env.MUSTER_BIND",
                "wanted one of auto, none, numa, core, got '" + bind->second + "'");
  }
  return ValidatePlaceholders(spec);
}

Status CheckParams(const tuner::Space& space, const boost::json::object& json,
                   const std::string& where) {
  auto params = tuner::ParamsFromJson(json);
  const Status valid = params.ok() ? space.Check(*params) : Status(params.error());
  return valid.ok() ? valid : Status(wire::Under(where, valid.error()));
}

Status ValidateWeight(double weight, const std::string& where) {
  if (weight > 0 && weight <= 1) return Ok();
  return At(where, "wanted above 0 up to 1, got " + tuner::ParamText(weight));
}

/// What people put before the search: trials to begin with, and trials of before.
Status ValidateGivenTrials(const wire::SweepSpec& spec, const tuner::Space& space) {
  const auto at = [](const char* key, std::size_t i) {
    return std::string(key) + "[" + std::to_string(i) + "]";
  };
  for (std::size_t i = 0; i < spec.enqueue.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(CheckParams(space, spec.enqueue[i], at("enqueue", i)));
  }
  for (std::size_t i = 0; i < spec.warm_start.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(
        ValidateWeight(spec.warm_start[i].weight, at("warm_start", i) + ".weight"));
  }
  for (std::size_t i = 0; i < spec.imported.size(); ++i) {
    const wire::ImportedTrial& trial = spec.imported[i];
    const std::string where = at("imported", i);
    MUSTER_RETURN_IF_ERROR(CheckParams(space, trial.params, where + ".params"));
    MUSTER_RETURN_IF_ERROR(ValidateWeight(trial.weight, where + ".weight"));
    const bool complete = trial.state == "complete";
    if (!complete && trial.state != "failed") {
      return At(where + ".state", "wanted complete or failed, got " + trial.state);
    }
    if (trial.values.size() != (complete ? 1 + spec.more_objectives.size() : 0)) {
      return At(where + ".values",
                "wanted a value an objective of a complete trial, none of a failed one");
    }
  }
  return Ok();
}

Status ValidateSearch(const wire::SweepSpec& spec) {
  for (const auto& [name, value] : spec.fixed) {
    if (spec.space.contains(name)) return At("fixed." + name, "is a parameter of the space, too");
    if (value.is_structured() || value.is_null()) {
      return At("fixed." + name, "wanted a number, a text, true or false");
    }
  }
  MUSTER_ASSIGN_OR_RETURN(const auto search, SearchSpecOf(spec));
  if (const auto made = tuner::MakeSearch(search); !made.ok()) return made.error();
  return ValidateGivenTrials(spec, *search.space);
}

Status ValidateObjectives(const wire::SweepSpec& spec) {
  // A lone command has nothing to compare (muster run).
  const bool alone = spec.budget.trials == 1 && spec.stop.empty() && !spec.model;
  if (spec.objective.metric.empty() && !alone) {
    return At("objective.metric", "missing; the name of the metric that is to be optimised");
  }
  std::set<std::string> metrics;
  const auto check = [&](const wire::ObjectiveSpec& objective, const std::string& where) -> Status {
    if (objective.goal != "maximize" && objective.goal != "minimize") {
      return At(where + ".goal", "wanted maximize or minimize, got '" + objective.goal + "'");
    }
    if (!metrics.insert(objective.metric).second) {
      return At(where + ".metric", "'" + objective.metric + "' is an objective already");
    }
    return Ok();
  };
  MUSTER_RETURN_IF_ERROR(check(spec.objective, "objective"));
  for (std::size_t i = 0; i < spec.more_objectives.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(
        check(spec.more_objectives[i], "more_objectives[" + std::to_string(i) + "]"));
  }
  return Ok();
}

Status ValidateRetry(const wire::RetrySpec& retry) {
  const auto check = [](const char* key, std::optional<int> value, int low) -> Status {
    if (!value || *value == wire::kUnlimited || *value >= low) return Ok();
    return At(std::string("retry.") + key, "wanted unlimited, or at least " + std::to_string(low) +
                                               ", got " + std::to_string(*value));
  };
  MUSTER_RETURN_IF_ERROR(check("user", retry.user, 0));
  MUSTER_RETURN_IF_ERROR(check("oom", retry.oom, 0));
  MUSTER_RETURN_IF_ERROR(check("hang", retry.hang, 0));
  MUSTER_RETURN_IF_ERROR(check("infra", retry.infra, 0));
  MUSTER_RETURN_IF_ERROR(check("node", retry.node, 0));
  MUSTER_RETURN_IF_ERROR(check("fenced", retry.fenced, 0));
  MUSTER_RETURN_IF_ERROR(check("preempt", retry.preempt, 0));
  MUSTER_RETURN_IF_ERROR(check("walltime", retry.walltime, 0));
  return check("crashes", retry.crashes, 1);
}

Status ValidateLogRules(const std::vector<wire::LogRule>& rules) {
  if (rules.size() > kMostLogRules) {
    return At("on_log", "wanted at most " + std::to_string(kMostLogRules) + " rules, got " +
                            std::to_string(rules.size()));
  }
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const std::string path = "on_log[" + std::to_string(i) + "].";
    const std::string& match = rules[i].match;
    if (match.empty()) return At(path + "match", "missing; a regular expression (RE2)");
    if (match.size() > kLongestPattern) {
      return At(path + "match", "wanted at most " + std::to_string(kLongestPattern) +
                                    " bytes, got " + std::to_string(match.size()));
    }
    if (!rules[i].reaction) {
      return At(path + "reaction", "missing; wanted one of fail, exclude_node, retry");
    }
    const auto compiled = pattern::PatternSet::Compile({match});
    if (!compiled.ok()) {  // "at [0]: ..."
      return At(path + "match", wire::SplitPath(compiled.error().message)->second);
    }
  }
  return Ok();
}

Status ValidateCode(const std::optional<wire::CodeSpec>& code) {
  if (!code) return Ok();
  for (const auto& [path, text] : {std::pair("code.commit", &code->commit),
                                   std::pair("code.diff_sha256", &code->diff_sha256)}) {
    if (text->size() <= 64 && text->find_first_not_of("0123456789abcdef") == text->npos) continue;
    return At(path, "wanted at most 64 hexadecimal digits in lower case, got '" + *text + "'");
  }
  if (code->diff.size() <= wire::kCodeDiffMax) return Ok();
  return At("code.diff", "wanted at most " + std::to_string(wire::kCodeDiffMax) + " bytes, got " +
                             std::to_string(code->diff.size()));
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
  for (std::size_t i = 0; i < spec.model->segments.size(); ++i) {
    const std::string& segment = spec.model->segments[i];
    if (!segment.empty() && segment.find(',') == std::string::npos) continue;
    return At("model.segments[" + std::to_string(i) + "]",
              "wanted the name of a column, got '" + segment + "'");
  }
  if (const Status gates = registry::CheckGates(spec.model->gates); !gates.ok()) {
    return Invalid("at model." + gates.error().message);
  }
  return Ok();
}

}  // namespace

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
  MUSTER_RETURN_IF_ERROR(ValidateObjectives(spec));
  MUSTER_RETURN_IF_ERROR(AtLeast("budget.trials", spec.budget.trials, 1));
  MUSTER_RETURN_IF_ERROR(AtLeast("budget.parallel", spec.budget.parallel, 0));
  MUSTER_RETURN_IF_ERROR(AtLeast("budget.time_seconds", spec.budget.time_seconds, 0));
  MUSTER_RETURN_IF_ERROR(AtMost("budget.trials", spec.budget.trials, 1'000'000));
  MUSTER_RETURN_IF_ERROR(AtLeast("hang.after_seconds", spec.hang.after_seconds, 0));
  MUSTER_RETURN_IF_ERROR(AtLeast("hang.first_seconds", spec.hang.first_seconds, 0));
  constexpr std::int64_t kYear = 366 * 86'400;
  MUSTER_RETURN_IF_ERROR(AtMost("hang.after_seconds", spec.hang.after_seconds, kYear));
  MUSTER_RETURN_IF_ERROR(AtMost("hang.first_seconds", spec.hang.first_seconds, kYear));
  if (spec.hang.action != "report" && spec.hang.action != "restart" && spec.hang.action != "kill") {
    return At("hang.action", "wanted one of report, restart, kill, got '" + spec.hang.action + "'");
  }
  MUSTER_RETURN_IF_ERROR(ValidateRetry(spec.retry));
  MUSTER_RETURN_IF_ERROR(ValidateLogRules(spec.on_log));
  MUSTER_RETURN_IF_ERROR(ValidateCode(spec.code));
  return ValidateModel(spec);
}

namespace {

std::string WhereText(const GangShape& shape) {
  if (shape.most_nodes == 1) return " on one node";
  return shape.most_nodes == 0 ? "" : " on at most " + std::to_string(shape.most_nodes) + " nodes";
}

/// The shape with nothing but slots.
GangShape SlotsOnly(const GangShape& shape) {
  GangShape slots;
  slots.ranks = shape.ranks;
  slots.cpus = shape.cpus;
  slots.most_nodes = shape.most_nodes;
  return slots;
}

Error NoSlots(const GangShape& shape, const std::vector<Room>& rooms) {
  const auto largest =
      std::ranges::max_element(rooms, {}, [](const Room& room) { return room.node->slots; });
  return At("trial.ranks", std::to_string(shape.ranks) + " ranks of " + std::to_string(shape.cpus) +
                               " cpu need " + std::to_string(shape.ranks * shape.cpus) + " slots" +
                               WhereText(shape) + "; the largest, " + largest->node->id.value +
                               ", has " + std::to_string(largest->node->slots));
}

Error NoDevices(const GangShape& shape, const std::vector<Room>& rooms) {
  std::size_t most = 0;
  for (const Room& room : rooms) most = std::max(most, room.node->devices.size());
  return At("trial.resources.gpu", "no node can ever hold the gang, which needs " +
                                       NeedsText(shape) + "; the most GPUs that a node has is " +
                                       std::to_string(most));
}

Error NoDeviceMemory(const GangShape& shape, const std::vector<Room>& rooms) {
  std::int64_t most = 0;
  for (const Room& room : rooms) {
    for (const Device& device : room.node->devices) most = std::max(most, device.memory_bytes);
  }
  return At("trial.resources.gpu_memory_bytes",
            "no node can ever hold the gang, which needs " + NeedsText(shape) +
                "; the largest GPU that a node has is of " + AmountText("memory", most));
}

Error NoAmount(const std::string& name, std::int64_t each, const std::vector<Room>& rooms) {
  std::int64_t most = 0;
  for (const Room& room : rooms) {
    const auto has = room.node->resources.find(name);
    if (has != room.node->resources.end()) most = std::max(most, has->second);
  }
  const std::string path = name == "memory" ? "memory_bytes" : "custom." + name;
  return At("trial.resources." + path, "each rank needs " + AmountText(name, each) +
                                           ", which no node can give to the gang; the "
                                           "most that a node has is " +
                                           AmountText(name, most));
}

}  // namespace

std::string NeedsText(const GangShape& shape) {
  std::vector<std::string> parts{std::to_string(shape.ranks * shape.cpus) + " slots"};
  if (shape.gpus > 0) parts.push_back(std::to_string(shape.ranks * shape.gpus) + " GPUs");
  if (shape.gpu_milli > 0) {
    parts.push_back(std::to_string(shape.ranks) + " times " + std::to_string(shape.gpu_milli) +
                    "/1000 of a GPU");
  }
  if (shape.gpu_memory > 0)
    parts.back() += " with " + AmountText("memory", shape.gpu_memory) + " each";
  for (const auto& [name, each] : shape.amounts) {
    parts.push_back(AmountText(name, each * shape.ranks) + " of " + name);
  }
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  }
  for (const auto& [name, value] : shape.labels) text += ", with " + name + "=" + value;
  return text + WhereText(shape);
}

Status ValidateGang(const wire::SweepSpec& spec, const State& state) {
  std::vector<Room> rooms;
  rooms.reserve(state.nodes.size());
  for (const auto& [id, node] : state.nodes) rooms.push_back({&node});
  std::deque<Node> lent;
  for (const auto& [name, pool] : state.pools) {
    for (int index = 0; index < pool.spec.nodes; ++index)
      rooms.push_back({&lent.emplace_back(NodeOf(pool.spec))});
  }
  const GangShape shape = ShapeOf(spec);
  if (rooms.empty() || CouldHold(rooms, shape)) return Ok();
  // One need after the other, so that the one that cannot be met is the one that is named.
  GangShape some = SlotsOnly(shape);
  if (!CouldHold(rooms, some)) return NoSlots(shape, rooms);
  some.mpi = shape.mpi;
  if (!CouldHold(rooms, some)) {
    return At("trial.nodes", "the gang needs " + NeedsText(some) +
                                 ", and only agents of this muster's version on can take a part of "
                                 "one that mpirun spreads; start newer agents");
  }
  some.labels = shape.labels;
  if (!CouldHold(rooms, some)) {
    return At("trial.labels", "no node can ever hold the gang, which needs " + NeedsText(some));
  }
  some.gpus = shape.gpus;
  some.gpu_milli = shape.gpu_milli;
  if (!CouldHold(rooms, some)) return NoDevices(some, rooms);
  some.gpu_memory = shape.gpu_memory;
  if (!CouldHold(rooms, some)) return NoDeviceMemory(some, rooms);
  for (const auto& [name, each] : shape.amounts) {
    some.amounts = {{name, each}};
    if (!CouldHold(rooms, some)) return NoAmount(name, each, rooms);
  }
  return At("trial.resources", "no node has all of it: " + NeedsText(shape));
}

Status ValidateParams(const wire::SweepSpec& spec, const boost::json::object& params) {
  MUSTER_ASSIGN_OR_RETURN(const auto search, SearchSpecOf(spec));
  return CheckParams(*search.space, params, "params");
}

Status ValidateQuota(const wire::SweepSpec& spec, const std::string& user,
                     const std::map<std::string, Amounts>& quotas) {
  const auto most = quotas.find(user);
  if (most == quotas.end()) return Ok();
  const GangShape shape = ShapeOf(spec);
  const std::string hit = QuotaHit(most->second, {}, AmountsOf(shape, shape.ranks));
  if (hit.empty()) return Ok();
  return At("trial.resources", "a gang's " + hit + " of user " + user);
}

}  // namespace muster::coordinator
