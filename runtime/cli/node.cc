// muster node ls|cordon|uncordon|drain|exclude
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "runtime/cli/context.h"
#include "runtime/coordinator/quota.h"
#include "runtime/wire/api.h"

namespace muster::cli {
namespace {

/// "memory: cgroup, cpu: no, pids: cgroup"; "-" of an agent that does not say.
std::string LimitsText(const wire::NodeSummary& node) {
  std::string text;
  for (const auto& [name, how] : node.limits)
    text += (text.empty() ? "" : ", ") + name + ": " + how;
  return text.empty() ? "-" : text;
}

/// "2 (80GiB)", "2 (80GiB and 40GiB)", or the number alone where the memory is not known.
std::string GpusText(const wire::NodeSummary& node) {
  std::string sizes;
  std::int64_t last = 0;
  for (const std::int64_t bytes : node.gpu_memory) {
    if (bytes == last || bytes == 0) continue;
    sizes += (sizes.empty() ? "" : " and ") + coordinator::AmountText("memory", bytes);
    last = bytes;
  }
  return std::to_string(node.gpus) + (sizes.empty() ? "" : " (" + sizes + ")");
}

int List(const Context& context) {
  return Ask(context, {"GET", "/api/muster/v1/nodes"},
             [](const boost::json::value& answer) -> Status {
               Table table({"NODE", "HOST", "STATE", "SLOTS", "USED", "GPUS", "LIMITS", "REASON"});
               for (const auto& entry : answer.at("nodes").as_array()) {
                 MUSTER_ASSIGN_OR_RETURN(const auto one, wire::NodeSummaryFromJson(entry));
                 table.Add({one.id, one.host, one.state, std::to_string(one.slots),
                            std::to_string(one.used), GpusText(one), LimitsText(one), one.reason});
               }
               table.Print();
               return Ok();
             });
}

struct VerbFlags {
  std::string node, reason;
};

int Change(const Context& context, const VerbFlags& flags, const std::string& verb,
           const std::string& done) {
  const std::string target = "/api/muster/v1/nodes/" + http::PercentEncode(flags.node) + "/" + verb;
  const boost::json::value body = boost::json::object{{"reason", flags.reason}};
  return Ask(context, {"POST", target, body}, [&](const boost::json::value&) {
    if (!context.quiet) std::cout << flags.node << ": " << done << "\n";
    return Ok();
  });
}

struct Verb {
  const char* name;
  const char* help;
  const char* done;
};
constexpr Verb kVerbs[] = {
    {"cordon", "Give it no new trials; those that run there go on", "gets no new trials"},
    {"drain", "Cordon it, and let its trials save a checkpoint and go on elsewhere",
     "is being drained; `muster node ls` says when it is"},
    {"exclude", "Cordon it for a fault, until it is uncordoned", "is excluded"},
    {"uncordon", "Give it trials again, whatever took it out of work", "gets trials again"}};

}  // namespace

void AddNode(CLI::App& app, Context& context) {
  auto* node = app.add_subcommand("node", "The machines that run trials")->require_subcommand(1);
  AddNodeKeys(*node, context);
  node->add_subcommand("ls", "All nodes with their slots")->callback([&context] {
    context.run = [&context] { return List(context); };
  });
  auto flags = std::make_shared<VerbFlags>();
  for (const Verb& verb : kVerbs) {
    auto* command = node->add_subcommand(verb.name, verb.help);
    command->add_option("node", flags->node, "Its name in `muster node ls`")->required();
    const std::string name = verb.name;
    if (name != "uncordon") {
      auto* reason = command->add_option("--reason", flags->reason,
                                         "Shown to whoever asks why nothing runs there");
      if (name == "exclude") reason->required();
    }
    command->callback([&context, flags, verb] {
      context.run = [&context, flags, verb] {
        return Change(context, *flags, verb.name, verb.done);
      };
    });
  }
}

}  // namespace muster::cli
