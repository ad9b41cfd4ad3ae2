#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trainer/export/export.h"

/// Models with seeded random weights that the export is tried on.

namespace muster::testing {

struct ExportCase {
  std::string name;
  std::shared_ptr<torch::nn::Module> module;
  exporting::Forward forward;  ///< calls `module`, which lives as long as the case
  /// Inputs with so many rows, seeded by it.
  std::function<std::vector<at::Tensor>(std::int64_t rows)> inputs;
  exporting::ExportOptions options = {};
  bool weights_apart = false;  ///< in a file of their own
};

ExportCase DigitsCnn();
ExportCase Mlp();
ExportCase ResNet18();
ExportCase CausalTransformer();
ExportCase TorchEncoder();

/// The models above.
std::vector<ExportCase> ModelCases();
/// The nets of the trials that ship, small; digits is DigitsCnn.
std::vector<ExportCase> TrialCases();
/// Published architectures as users write them, narrow: convolutional nets, others that see, those
/// of sequences, and those of tables.
std::vector<ExportCase> ConvolutionalArchitectures();
std::vector<ExportCase> VisionArchitectures();
std::vector<ExportCase> SequenceArchitectures();
std::vector<ExportCase> TabularArchitectures();
/// Models with open lengths beside the batch: their inputs differ in them by the number of rows.
std::vector<ExportCase> DynamicCases();
/// Small functions without weights, which together use every translation.
std::vector<ExportCase> OperatorCases();

}  // namespace muster::testing
