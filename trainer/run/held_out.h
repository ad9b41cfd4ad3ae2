#pragma once

#include <string>
#include <vector>

#include "registry/evaluation.h"
#include "trainer/row_source.h"
#include "trainer/trial.h"

/// The held-out rows of an export, with what LibTorch itself answers to them. Includes no LibTorch.

namespace muster::trainer::run {

/// Inputs and outputs together; with more rows than that, as many as fit are taken, evenly spread.
inline constexpr std::int64_t kHeldOutBytes = std::int64_t{256} << 20;

struct HeldOut {
  std::vector<registry::TensorSpec> inputs, outputs;  ///< of the model, -1 for the rows
  std::int64_t rows = 0;
  std::int64_t batch = 0;                 ///< rows that were computed at once
  std::vector<registry::Tensor> tensors;  ///< of evaluation.safetensors
  std::map<std::string, std::string> metadata;
};

/// Rows of `source` through trial.Serve, in evaluation mode and without gradients. kNotFound for a column, of
/// `segments` too, that is not there; kInvalid for a segment that is not one whole number a row, for no rows, and
/// for outputs that do not fit the task. LibTorch's exceptions pass through.
Result<HeldOut> ComputeHeldOut(Trial& trial, const RowSource& source,
                               const std::vector<std::string>& segments,
                               std::int64_t bytes_max = kHeldOutBytes);

/// The registry's word for it.
registry::Task RegistryTask(Task task);

}  // namespace muster::trainer::run
