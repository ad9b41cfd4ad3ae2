#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
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

/// Row-major, little-endian, `bytes.size()` = product of shape x element size. A bool is a byte, 0 or 1.
struct Tensor {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

/// "images, mask".
std::string NamesText(const std::vector<TensorSpec>& specs);
/// "[-1,1,8,8]".
std::string ShapeText(const std::vector<std::int64_t>& shape);
/// The product; 1 for a scalar. kInvalid for a negative dimension or a product beyond 2^40.
Result<std::int64_t> ElementCount(const std::vector<std::int64_t>& shape);
/// True when every dimension is the one wanted, or any where -1 is wanted.
bool ShapeFits(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& wanted);
/// Ok when `inputs` are exactly the tensors of `specs`, in any order, each of its type, a fitting shape and
/// the right number of bytes. kInvalid names the input, what came and what is wanted.
Status CheckInputs(const std::vector<TensorSpec>& specs, const std::vector<Tensor>& inputs);

/// A loaded model. Infer may be called from many threads at once.
class InferenceModel {
 public:
  virtual ~InferenceModel() = default;
  [[nodiscard]] virtual const std::vector<TensorSpec>& inputs() const = 0;
  [[nodiscard]] virtual const std::vector<TensorSpec>& outputs() const = 0;
  /// All inputs by name, any order; answers all outputs in the model's order. kInvalid as of CheckInputs; kResource.
  virtual Result<std::vector<Tensor>> Infer(const std::vector<Tensor>& inputs) = 0;
};

/// In a model's metadata_props: how many neighbours of a row an engine may give one scale when it quantises the
/// activations in front of int8 weights by itself ("128"). Without it an engine computes what the model says.
inline constexpr std::string_view kActivationGroupKey = "muster.activation_group";

class InferenceEngine {
 public:
  virtual ~InferenceEngine() = default;
  /// Computes in f32 exactly as the model says (no silent bf16, no int8 but where kActivationGroupKey allows it).
  /// `threads` 0: the engine's choice.
  /// kNotFound without the file, kInvalid when it is no model that the engine can compute; kResource: no memory.
  virtual Result<std::unique_ptr<InferenceModel>> Load(const std::filesystem::path& onnx_file,
                                                       int threads) = 0;
  [[nodiscard]] virtual std::string name() const = 0;  ///< "OpenVINO 2026.4.1"
};

}  // namespace muster::registry
