// muster node ls
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "runtime/cli/context.h"
#include "runtime/wire/api.h"

namespace muster::cli {

void AddNode(CLI::App& app, Context& context) {
  auto* node = app.add_subcommand("node", "The machines that run trials")->require_subcommand(1);
  node->add_subcommand("ls", "All nodes with their slots")->callback([&context] {
    context.run = [&context] {
      auto client = context.Connect();
      if (!client.ok()) return Fail(context, client.error());
      auto answer = client->Json("GET", "/api/muster/v1/nodes");
      if (!answer.ok()) return Fail(context, answer.error());
      if (PrintJson(context, *answer)) return int{kDone};
      Table table({"NODE", "HOST", "STATE", "SLOTS", "USED", "GPUS"});
      for (const auto& entry : answer->at("nodes").as_array()) {
        auto one = wire::NodeSummaryFromJson(entry);
        if (!one.ok()) return Fail(context, one.error());
        table.Add({one->id, one->host, one->state, std::to_string(one->slots),
                   std::to_string(one->used), std::to_string(one->gpus)});
      }
      table.Print();
      return int{kDone};
    };
  });
}

}  // namespace muster::cli
