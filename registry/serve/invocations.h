#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "registry/inference_engine.h"

/// The bodies of MLflow's POST /invocations, as its pyfunc server takes and its ONNX flavor answers them
/// (mlflow/pyfunc/scoring_server, mlflow/onnx of 3.18):
///
///   {"inputs": tensor or {"name": tensor}}, {"instances": rows or [{"name": row}]}
///       -> {"predictions": {"output": nested lists, ...}}
///   {"dataframe_split": {"columns": [...], "data": [[...]]}}, {"dataframe_records": [{"column": cell}]}
///       -> {"predictions": [{"output": cell, ...}]}, one a row
///
/// A table is the only input's rows, or its columns are the inputs by name. Rows whose values are as
/// many as an image has pixels are that image: 64 columns fit an input (-1, 1, 8, 8), which MLflow itself
/// refuses.

namespace muster::registry::serve {

struct Invocation {
  std::vector<Tensor> inputs;
  bool as_table = false;  ///< answer one record a row
};

/// kInvalid says which of the four forms is wrong, and where.
Result<Invocation> DecodeInvocation(std::string_view body, const std::vector<TensorSpec>& specs);
/// kInvalid when a table is wanted and an output has no rows.
Result<std::string> EncodePredictions(const Invocation& invocation,
                                      const std::vector<Tensor>& outputs);

}  // namespace muster::registry::serve
