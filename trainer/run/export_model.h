#pragma once

#include "trainer/run/options.h"

/// A checkpoint as what the registry's gates read (registry/evaluation.h): model.onnx,
/// evaluation.safetensors with LibTorch's own answers on the test rows, and export.json, written last.

namespace muster::trainer::run {

/// Files appear in options.export_dir, which is made when missing. kUnsupported when an operator has no
/// ONNX form; kInvalid when the checkpoint is of other parameters.
Status ExportModel(Trial& trial, const Options& options);

}  // namespace muster::trainer::run
