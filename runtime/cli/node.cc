// muster node ls
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "runtime/cli/context.h"
#include "runtime/wire/api.h"

namespace muster::cli {

void AddNode(CLI::App& app, Context& context) {
  auto* node = app.add_subcommand("node", "The machines that run trials")->require_subcommand(1);
  AddNodeKeys(*node, context);
  node->add_subcommand("ls", "All nodes with their slots")->callback([&context] {
    context.run = [&context] {
      return Ask(context, {"GET", "/api/muster/v1/nodes"},
                 [](const boost::json::value& answer) -> Status {
                   Table table({"NODE", "HOST", "STATE", "SLOTS", "USED", "GPUS"});
                   for (const auto& entry : answer.at("nodes").as_array()) {
                     MUSTER_ASSIGN_OR_RETURN(const auto one, wire::NodeSummaryFromJson(entry));
                     table.Add({one.id, one.host, one.state, std::to_string(one.slots),
                                std::to_string(one.used), std::to_string(one.gpus)});
                   }
                   table.Print();
                   return Ok();
                 });
    };
  });
}

}  // namespace muster::cli
