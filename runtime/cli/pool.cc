// muster pool ls|show|set|pause|resume|rm
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <filesystem>
#include <iostream>
#include <memory>

#include "runtime/base/file.h"
#include "runtime/cli/context.h"
#include "runtime/cli/use_text.h"
#include "runtime/config/sweep_file.h"
#include "runtime/wire/api.h"
#include "runtime/wire/pool_spec.h"

namespace muster::cli {
namespace {

constexpr const char* kPools = "/api/muster/v1/pools";
constexpr std::size_t kProfileMost = 64 << 10;

struct SetFlags {
  wire::PoolSpec spec;
  std::string form = "pilot", memory, time = "1h", idle = "1m", drain = "1m", profile;
  std::vector<std::string> labels;
  bool unchecked = false;
};

Result<wire::PoolSpec> SpecOf(const SetFlags& flags) {
  wire::PoolSpec spec = flags.spec;
  spec.form = flags.form == "job" ? wire::PoolForm::kJob : wire::PoolForm::kPilot;
  MUSTER_ASSIGN_OR_RETURN(spec.time_seconds, config::ParseDuration(flags.time));
  MUSTER_ASSIGN_OR_RETURN(spec.idle_seconds, config::ParseDuration(flags.idle));
  MUSTER_ASSIGN_OR_RETURN(spec.drain_seconds, config::ParseDuration(flags.drain));
  if (!flags.memory.empty()) {
    MUSTER_ASSIGN_OR_RETURN(spec.memory_bytes, config::ParseSize(flags.memory));
  }
  for (const std::string& label : flags.labels) {
    const std::size_t equals = label.find('=');
    if (equals == 0 || equals == std::string::npos)
      return Invalid("--label " + label + ": wanted key=value");
    spec.labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
  spec.site["system"] = "slurm";
  if (!flags.profile.empty()) {
    // The text itself: the server reads it, also after the file has changed.
    MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(flags.profile, kProfileMost));
    spec.site["profile"] = text;
    spec.site["file"] = std::filesystem::path(flags.profile).filename().string();
  }
  MUSTER_RETURN_IF_ERROR(wire::CheckPoolSpec(spec));
  return spec;
}

int Set(const Context& context, const SetFlags& flags) {
  const auto spec = SpecOf(flags);
  if (!spec.ok()) return Fail(context, spec.error());
  const boost::json::object body{{"spec", wire::ToJson(*spec)}, {"check", !flags.unchecked}};
  return Ask(context, {"POST", kPools, body}, [&](const boost::json::value&) {
    if (!context.quiet) {
      std::cout << spec->name << ": " << (flags.unchecked ? "" : "Slurm would take its requests; ")
                << "nodes are asked for when trials wait; muster pool show " << spec->name << "\n";
    }
    return Ok();
  });
}

std::string SizeText(const wire::PoolSpec& spec) {
  std::string text = spec.form == wire::PoolForm::kJob ? "a job for each trial, at most " : "";
  text += std::to_string(spec.nodes) + (spec.nodes == 1 ? " node" : " nodes") + " of " +
          std::to_string(spec.slots) + " slots";
  if (spec.gpus > 0) text += " and " + std::to_string(spec.gpus) + " GPUs";
  return text + " for " + std::to_string(spec.time_seconds) + " s";
}

Status PrintList(const boost::json::value& answer) {
  Table table({"POOL", "STATE", "ALLOCATIONS", "MOST", "EACH", "REASON"});
  for (const auto& entry : answer.at("pools").as_array()) {
    MUSTER_ASSIGN_OR_RETURN(const auto pool, wire::PoolSummaryFromJson(entry));
    MUSTER_ASSIGN_OR_RETURN(const auto spec, wire::PoolSpecFromJson(pool.spec));
    const auto live = std::ranges::count_if(pool.allocations, [](const auto& one) {
      return one.state != "ended" && one.state != "failed";
    });
    table.Add({pool.name, pool.state, std::to_string(live), std::to_string(spec.most),
               SizeText(spec), pool.reason.empty() ? "-" : pool.reason});
  }
  table.Print();
  return Ok();
}

/// "87 %"; empty where there was nothing to be busy.
std::string BusyText(double busy, double held) {
  return held > 0 ? std::to_string(static_cast<int>(100 * busy / held)) + " %" : "";
}

std::string UseLine(const wire::PoolSummary& pool) {
  std::string line = "slots for " + Span(pool.slot_seconds) + ", " +
                     BusyText(pool.busy_slot_seconds, pool.slot_seconds) + " of that busy";
  if (pool.cpu_seconds) line += "; Slurm counts CPUs for " + Span(*pool.cpu_seconds);
  if (pool.gpu_seconds) line += ", GPUs for " + Span(*pool.gpu_seconds);
  if (pool.joules) line += ", " + EnergyText(*pool.joules);
  return line;
}

Status PrintOne(const boost::json::value& answer, const std::string& name) {
  for (const auto& entry : answer.at("pools").as_array()) {
    MUSTER_ASSIGN_OR_RETURN(const auto pool, wire::PoolSummaryFromJson(entry));
    if (pool.name != name) continue;
    MUSTER_ASSIGN_OR_RETURN(const auto spec, wire::PoolSpecFromJson(pool.spec));
    std::cout << name << " is " << pool.state << (pool.reason.empty() ? "" : ": " + pool.reason)
              << "\n"
              << SizeText(spec) << "; " << spec.most << " at a time, of which " << spec.backlog
              << " may wait\n";
    if (pool.slot_seconds > 0) std::cout << "had " << UseLine(pool) << "\n";
    Table table({"ALLOCATION", "JOB", "STATE", "SWEEP", "BUSY", "WORDS"});
    for (const auto& one : pool.allocations) {
      const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : text; };
      table.Add({one.id, or_dash(one.job), one.state, or_dash(one.sweep),
                 or_dash(BusyText(one.busy_slot_seconds, one.slot_seconds)), or_dash(one.words)});
    }
    table.Print();
    return Ok();
  }
  return NotFound("there is no pool '" + name + "'");
}

void AddSet(CLI::App& pool, Context& context) {
  auto flags = std::make_shared<SetFlags>();
  auto* set = pool.add_subcommand("set",
                                  "Make a pool, or change one; Slurm is asked at once "
                                  "whether it would take what the pool asks for");
  set->add_option("name", flags->spec.name, "Lower-case letters, digits and -")->required();
  set->add_option("--form", flags->form,
                  "pilot: allocations of one shape that run whatever waits; job: one for each "
                  "trial, of its own shape")
      ->check(CLI::IsMember({"pilot", "job"}))
      ->capture_default_str();
  set->add_option("--profile", flags->profile,
                  "What the site's Slurm wants said: partition, account, modules, ... "
                  "(cluster/slurm/profiles has examples)");
  set->add_option("--nodes", flags->spec.nodes, "Nodes of an allocation; of a job at most")
      ->capture_default_str();
  set->add_option("--slots", flags->spec.slots, "CPUs of a node; of a job's at most")->required();
  set->add_option("--gpus", flags->spec.gpus, "GPUs of a node; of a job's at most")
      ->capture_default_str();
  set->add_option("--memory", flags->memory, "Of a node, such as 64GiB (default: the site's)");
  set->add_option("--label", flags->labels, "What trials may ask for (trial.labels), key=value");
  set->add_option("--time", flags->time, "Of an allocation")->capture_default_str();
  set->add_option(
         "--drain", flags->drain,
         "So long before its time ends, what runs saves a checkpoint and goes on elsewhere")
      ->capture_default_str();
  set->add_option("--most", flags->spec.most, "Allocations at a time")->capture_default_str();
  set->add_option("--backlog", flags->spec.backlog, "Of which so many may wait in Slurm's queue")
      ->capture_default_str();
  set->add_option("--idle", flags->idle, "An allocation that nothing ran on for so long ends")
      ->capture_default_str();
  set->add_flag("--no-check", flags->unchecked, "Do not ask Slurm first");
  set->callback(
      [&context, flags] { context.run = [&context, flags] { return Set(context, *flags); }; });
}

struct Verb {
  const char* name;
  const char* route;
  const char* help;
};
constexpr Verb kVerbs[] = {
    {"pause", "pause", "Ask for no more nodes; those that are there stay"},
    {"resume", "resume", "Ask again, whatever paused it"},
    {"rm", "remove", "Give back what waits; what runs goes on to its end, then the pool is gone"}};

}  // namespace

void AddPool(CLI::App& app, Context& context) {
  auto* pool = app.add_subcommand("pool", "Nodes that Slurm lends, as many as what waits asks for")
                   ->require_subcommand(1);
  pool->add_subcommand("ls", "All pools")->callback([&context] {
    context.run = [&context] { return Ask(context, {"GET", kPools}, PrintList); };
  });
  auto name = std::make_shared<std::string>();
  auto reason = std::make_shared<std::string>();
  auto* show = pool->add_subcommand("show", "A pool's allocations, with Slurm's own words");
  show->add_option("name", *name, "Its name in `muster pool ls`")->required();
  show->callback([&context, name] {
    context.run = [&context, name] {
      return Ask(context, {"GET", kPools},
                 [&](const boost::json::value& answer) { return PrintOne(answer, *name); });
    };
  });
  AddSet(*pool, context);
  for (const Verb& verb : kVerbs) {
    auto* command = pool->add_subcommand(verb.name, verb.help);
    command->add_option("name", *name, "Its name in `muster pool ls`")->required();
    command->add_option("--reason", *reason, "Shown to whoever asks");
    command->callback([&context, name, reason, verb] {
      context.run = [&context, name, reason, verb] {
        const std::string target =
            std::string(kPools) + "/" + http::PercentEncode(*name) + "/" + verb.route;
        return Ask(context, {"POST", target, boost::json::object{{"reason", *reason}}},
                   [](const boost::json::value&) { return Ok(); });
      };
    });
  }
}

}  // namespace muster::cli
