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
///   text/csv, with a header -> as dataframe_split
///
/// and of what else is asked in such forms, which answers otherwise:
///
///   KServe v1, Vertex AI: {"instances": ...} -> {"predictions": [row, ...]}, with several outputs [{"output": row}, ...]
///   Azure ML: {"input_data": table as dataframe_split, tensor or {"name": tensor}} -> what "predictions" would hold
///
/// MLflow's "params" are for models that have parameters, which these have not: ignored, but they must be an object. A
/// table is the only input's rows, or its columns are the inputs by name. Rows whose values are as
/// many as an image has pixels are that image: 64 columns fit an input (-1, 1, 8, 8), which MLflow itself
/// refuses.

namespace muster::registry::serve {

/// What the predictions are an answer as.
enum class PredictionForm {
  kByOutput,  ///< {"output": tensor}
  kRecords,   ///< [{"output": cell}], one a row
  kRows       ///< the only output's tensor, or [{"output": row}]
};

struct Invocation {
  std::vector<Tensor> inputs;
  PredictionForm form = PredictionForm::kByOutput;
  bool bare = false;  ///< without {"predictions": ...} around them
};

/// kInvalid says which of the forms is wrong, and where.
Result<Invocation> DecodeInvocation(std::string_view body, const std::vector<TensorSpec>& specs);
/// A table as RFC 4180 has it. An empty cell is NaN, as are pandas' other spellings of it. `has_header` false: the first
/// line is a row, and the columns have no names.
Result<Invocation> DecodeCsv(std::string_view body, bool has_header,
                             const std::vector<TensorSpec>& specs);
/// kInvalid when rows are wanted and an output has none, or not as many as the first.
Result<std::string> EncodePredictions(const Invocation& invocation,
                                      const std::vector<Tensor>& outputs);

}  // namespace muster::registry::serve
