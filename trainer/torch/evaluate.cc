#include <c10/core/GradMode.h>
#include <torch/nn/module.h>

#include "trainer/torch/autocast.h"
#include "trainer/torch/batch_loader.h"
#include "trainer/torch/evaluate.h"

namespace muster::trainer {

Result<std::map<std::string, double>> EvaluateSource(Trial& trial, torch::nn::Module& module,
                                                     const RowSource& source, const Gang& gang,
                                                     Accelerator& accelerator, Precision precision,
                                                     std::uint64_t batch_size) {
  const c10::NoGradGuard no_gradients;
  module.eval();
  // Means over the rows of running statistics and the like are rank 0's.
  gang.Broadcast(module.buffers());
  MUSTER_ASSIGN_OR_RETURN(
      auto loader, BatchLoader::Start(source, {.columns = trial.data().columns(),
                                               .epoch = {.rows = source.rows(), .shuffled = false},
                                               .batch_size = batch_size,
                                               .rank = gang.rank(),
                                               .accelerator = &accelerator}));
  Means sums;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const auto loaded, loader->Next());
    if (!loaded) break;
    const Autocast autocast(accelerator.device().type(), precision);
    for (const auto& [name, mean] : trial.EvalStep(loaded->batch)) {
      sums[name].sum += mean.sum;
      sums[name].count += mean.count;
    }
  }
  std::vector<double> totals;
  for (const auto& [name, mean] : sums) totals.insert(totals.end(), {mean.sum, mean.count});
  gang.Sum(totals);
  std::map<std::string, double> means;
  std::size_t i = 0;
  for (const auto& [name, mean] : sums) {
    means[name] = totals[i + 1] == 0 ? 0 : totals[i] / totals[i + 1];
    i += 2;
  }
  return means;
}

}  // namespace muster::trainer
