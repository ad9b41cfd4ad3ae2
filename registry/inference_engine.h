#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// The port to whatever computes an ONNX model. Adapter: registry/openvino.

namespace muster::registry {

enum class ElementType {
  kF32,
  kF64,
  kF16,
  kBf16,
  kI8,
  kI16,
  kI32,
  kI64,
  kU8,
  kU16,
  kU32,
  kU64,
  kBool
};

/// "FP32", "INT64", ... as the Open Inference Protocol spells them.
std::string_view ElementTypeName(ElementType type);
Result<ElementType> ElementTypeFromName(std::string_view name);
std::size_t ElementSize(ElementType type);

struct TensorSpec {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<std::int64_t> shape;  ///< -1: any
};

/// Row-major, little-endian, `bytes.size()` = product of shape x element size.
struct Tensor {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

/// A loaded model. Infer may be called from many threads at once.
class InferenceModel {
 public:
  virtual ~InferenceModel() = default;
  [[nodiscard]] virtual const std::vector<TensorSpec>& inputs() const = 0;
  [[nodiscard]] virtual const std::vector<TensorSpec>& outputs() const = 0;
  /// All inputs by name, any order; answers all outputs in the model's order. kInvalid names the input
  /// whose name, type or shape does not fit, with both shapes.
  virtual Result<std::vector<Tensor>> Infer(const std::vector<Tensor>& inputs) = 0;
};

class InferenceEngine {
 public:
  virtual ~InferenceEngine() = default;
  /// Computes in f32 exactly as the model says (no silent bf16). `threads` 0: the engine's choice.
  virtual Result<std::unique_ptr<InferenceModel>> Load(const std::filesystem::path& onnx_file,
                                                       int threads) = 0;
  [[nodiscard]] virtual std::string name() const = 0;  ///< "OpenVINO 2026.4.1"
};

}  // namespace muster::registry
