#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "registry/compression_form.h"
#include "runtime/base/clock.h"

/// Which compressed form of a model (registry/onnx/compress) is to serve, by measuring all that come into question
/// on the engine at hand: which one is fast differs by engine and machine (scripts/bench/registry/int8).

namespace muster::registry {

/// What a compressed model may lose.
struct CompressionBound {
  std::string metric = "accuracy";  ///< as of ComputeMetric
  double min_agreement = 0.99;      ///< of decisions, as of Agreement
  double max_drop = 0.01;           ///< of the metric, in its own unit; for losses: its rise
};

struct FormFigures {
  std::string form;  ///< "f32" is the model as it is
  std::int64_t bytes = 0;
  double ms_1 = 0, ms_32 = 0;  ///< median time of one batch of 1 and of 32 rows
  double agreement = 1, metric = 0;
  std::string refused;  ///< why it is not taken; empty: it holds the bound
};

struct CompressionChoice {
  std::vector<FormFigures> table;  ///< f32 first, then the forms as they were asked for
  std::size_t chosen = 0;          ///< in `table`; 0: none holds the bound
  std::string onnx;                ///< the bytes of the chosen form
};

/// Builds, measures and compares. Chosen is, of those that hold the bound and come within a tenth of the fastest at
/// batch 1, the fastest at batch 32. A form that cannot be built or
/// computed is a refused row of the table. Judged on `evaluation`, which shares no row with `calibration`. Takes
/// seconds, and all of `load`'s threads.
Result<CompressionChoice> ChooseForm(const onnx::Model& model,
                                     const std::vector<CompressionForm>& forms,
                                     const Evaluation& evaluation, const Evaluation& calibration,
                                     const CompressionBound& bound, const LoadOnnx& load,
                                     const Clock& clock);

struct HeldOut {
  Evaluation calibration, rest;
};
/// The first rows for calibration, the others to judge on. kInvalid unless 1 <= calibration_rows < rows.
Result<HeldOut> SplitRows(const Evaluation& evaluation, std::int64_t calibration_rows);

/// A table for people: form, size, ms, speed-up, agreement, metric, why not.
std::string TableText(const CompressionChoice& choice, std::string_view metric);

}  // namespace muster::registry
