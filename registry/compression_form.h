#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "registry/evaluation.h"
#include "registry/inference_engine.h"
#include "registry/onnx/compress/compress.h"

/// The compressed forms (registry/onnx/compress) by name, and calibration on an engine.

namespace muster::registry {

enum class CompressionKind { kDynamic, kWeightOnly, kEngineDynamic, kStatic, kHalf, kPrune };

struct CompressionForm {
  CompressionKind kind = CompressionKind::kDynamic;
  double share = 0;  ///< of kPrune: weights zeroed, in (0, 1)
  friend bool operator==(const CompressionForm&, const CompressionForm&) = default;
};

/// "dynamic", "weight-only", "engine-dynamic", "static", "fp16", "prune=0.5" (of all weights together). "auto": the
/// first five. "engine-dynamic" is weight-only's graph, with the permission that the engine quantises activations in
/// its own way (kActivationGroupKey): OpenVINO does, others may overlook it.
/// kInvalid lists what there is.
Result<std::vector<CompressionForm>> ParseCompressionForms(std::string_view text);
std::string CompressionFormName(const CompressionForm& form);

/// A model from the bytes of a .onnx file.
using LoadOnnx = std::function<Result<std::unique_ptr<InferenceModel>>(std::string_view bytes)>;

/// The range of each of CalibrationPoints on these rows. kInvalid names a value that was NaN or infinite; errors of
/// the engine.
Result<std::map<std::string, onnx::compress::Range>> Calibrate(
    const onnx::Model& model, const Evaluation& rows, onnx::compress::RangeMethod method,
    const LoadOnnx& load, const onnx::compress::Options& options = {});

/// Of the static form's three ways to find ranges, the one that agrees best with f32 on the calibration rows is
/// taken. kInvalid when no node can be rewritten, with the reason of each.
Result<onnx::compress::Compressed> BuildForm(const onnx::Model& model, const CompressionForm& form,
                                             const Evaluation& calibration, const LoadOnnx& load);

/// Rows [begin, begin + count).
Evaluation RowsOf(const Evaluation& evaluation, std::int64_t begin, std::int64_t count);

}  // namespace muster::registry
