#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "registry/onnx/compress/calibration.h"
#include "registry/onnx/graph.h"
#include "runtime/base/result.h"

/// Smaller forms of an ONNX model, as pure rewrites: names, types and shapes of the graph's inputs and outputs
/// stay as they are, and so do all values that are not named here. Each form is valid in operator set 13 and
/// above; the model's own set is kept.
///
///   QuantizeDynamic   x -> QuantizeLinear -> MatMulInteger -> Cast -> Mul -> Mul (-> Add of the bias). MatMul, Gemm.
///                     Each row of x has a scale of its own, max|x| / 127 with the zero point 128, or max(x) / 255
///                     with 0 where x is never negative. ONNX's DynamicQuantizeLinear has one scale for all rows: with
///                     it an answer depends on the rows beside it.
///   QuantizeWeights   int8 weights -> DequantizeLinear. MatMul, Gemm, Conv; of Gather (embeddings) the rows that
///                     were gathered are dequantised, each with its own scale.
///   QuantizeStatic    QuantizeLinear -> DequantizeLinear around Conv, MatMul and Gemm, with ranges from calibration
///                     (QDQ, which engines fuse into integer kernels)
///   ToHalf            float16 weights and computation between Casts at the ends
///   Prune             the smallest weights become 0; the size stays
///
/// int8 weights are symmetric and have a scale a channel of the output: scale = max|w| / 127,
/// q = round-half-even(w / scale), in [-127, 127]; a channel of zeros has scale 1. Activations are uint8.
///
/// New values are called after what they stand for: "fc.weight.int8", "fc.weight.scale", "x.quantized". A weight
/// that nothing uses any more goes. kInvalid for a weight that is not finite, kUnsupported below operator set 13.

namespace muster::onnx::compress {

struct Options {
  /// A weight of fewer elements is left alone: its scale and nodes would cost more than it saves.
  std::int64_t min_elements = 512;
  bool keep_first =
      false;  ///< leave the first and the last MatMul, Gemm or Conv with constant weights alone,
  bool keep_last = false;  ///< which suffer most from int8
};

/// What became of a node that has, or might have, constant weights.
struct LayerReport {
  std::string node;    ///< its name, else "MatMul #3"
  std::string weight;  ///< empty: it has none that is constant
  std::string left;    ///< why it is as it was; empty: it was rewritten
  double zeros = 0;    ///< the share of zeros among its weights after pruning
};

struct Compressed {
  Model model;
  std::vector<LayerReport> layers;  ///< in the graph's order
  [[nodiscard]] std::int64_t rewritten() const;
};

Result<Compressed> QuantizeDynamic(const Model& model, const Options& options = {});
Result<Compressed> QuantizeWeights(const Model& model, const Options& options = {});

/// The values whose ranges QuantizeStatic wants: what goes into each layer, and what comes out of each Conv (or of
/// the Relu behind it, which engines fuse).
std::vector<std::string> CalibrationPoints(const Model& model, const Options& options = {});
/// `model` with `names` (float values) as outputs after its own: what an engine calibrates with.
Model WithOutputs(const Model& model, const std::vector<std::string>& names);
/// `ranges`: of each of CalibrationPoints; a layer without one is left alone. Biases become int32 with the scale
/// of input times weight; where a bias would not fit, the channel's weight scale is widened until it does.
Result<Compressed> QuantizeStatic(const Model& model, const std::map<std::string, Range>& ranges,
                                  const Options& options = {});

/// Kept in f32, between Casts: operators that add up many numbers or overflow early (reductions, Softmax,
/// normalisations, Exp, Pow, CumSum, ...), those whose float16 form engines lack, and weights beyond 65504. On
/// CPUs most engines compute in f32 anyway: there it halves the file, no more. `min_elements` does not count.
Result<Compressed> ToHalf(const Model& model, const Options& options = {});

enum class PruneScope {
  kTensor,  ///< `share` of each weight
  kGlobal,  ///< `share` of all of them together, so that layers with small weights lose more
};
/// Zeroes the floor(share * n) weights of least magnitude of MatMul, Gemm and Conv, ties by place. `share` in
/// [0, 1), else kInvalid.
Result<Compressed> Prune(const Model& model, double share, PruneScope scope,
                         const Options& options = {});

}  // namespace muster::onnx::compress
