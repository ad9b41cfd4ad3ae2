// muster sim
#include "runtime/sim/run_seeds.h"

#include <iostream>
#include <memory>

#include "runtime/cli/context.h"

namespace muster::cli {

void AddSim(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("sim",
                                     "Play whole clusters from seeds: crashes, losses and "
                                     "partitions against coordinator and agents");
  auto range = std::make_shared<sim::SeedRange>();
  range->count = 100;
  command->add_option("--seed", range->first, "The first seed")->capture_default_str();
  command->add_option("--count", range->count, "How many seeds")->capture_default_str();
  command->add_flag("--trace", range->trace, "Print everything that happens");
  command->callback([&context, range] {
    context.run = [range] {
      return sim::RunSeeds(*range, std::cout).ok() ? int{kDone} : int{kFailed};
    };
  });
}

}  // namespace muster::cli
