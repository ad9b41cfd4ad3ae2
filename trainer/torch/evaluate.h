#pragma once

#include <map>
#include <string>

#include "trainer/row_source.h"
#include "trainer/torch/accelerator.h"
#include "trainer/torch/gang.h"
#include "trainer/trial.h"

namespace muster::trainer {

/// Metrics of `module` (in evaluation mode afterwards) over all rows of `source`, each row on one rank; the same on
/// every rank. The module is on the accelerator's device.
Result<std::map<std::string, double>> EvaluateSource(Trial& trial, torch::nn::Module& module,
                                                     const RowSource& source, const Gang& gang,
                                                     Accelerator& accelerator, Precision precision,
                                                     std::uint64_t batch_size = 256);

}  // namespace muster::trainer
