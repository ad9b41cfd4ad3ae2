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
  range->count = 0;
  range->jobs = 0;
  auto* first = command->add_option("--seed", range->first, "The first seed");
  command->add_option("--seeds,--count", range->count,
                      "How many seeds, from there on; 100, or the one of --seed");
  command->add_option("--jobs", range->jobs, "Threads; 0: one a CPU")->capture_default_str();
  command->add_flag("--trace", range->trace, "Print everything that happens");
  command->callback([&context, range, first] {
    if (range->count == 0) range->count = first->count() > 0 ? 1 : 100;
    range->progress = &std::cerr;
    context.run = [range] {
      return sim::RunSeeds(*range, std::cout).ok() ? int{kDone} : int{kFailed};
    };
  });
}

}  // namespace muster::cli
