#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Writes small ONNX files byte by byte (onnx.proto's field numbers, IR 8, opset 17), so that tests of the
/// engine and the server do not lean on our own exporter.

namespace muster::testing {

enum OnnxType : int { kOnnxFloat = 1, kOnnxUint8 = 2, kOnnxInt64 = 7, kOnnxBool = 9 };

class TinyOnnx {
 public:
  /// A dimension below 0 is dynamic.
  using Shape = std::vector<std::int64_t>;
  using Attributes = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

  void Input(std::string_view name, OnnxType type, const Shape& shape);
  void Output(std::string_view name, OnnxType type, const Shape& shape);
  void Weight(std::string_view name, const Shape& shape, const std::vector<float>& values);
  /// `integers` have one value each.
  void Node(std::string_view op, const std::vector<std::string>& inputs, std::string_view output,
            const Attributes& lists = {}, const Attributes& integers = {});
  [[nodiscard]] std::string Bytes() const;
  /// Makes the folders too.
  void Write(const std::filesystem::path& file) const;

 private:
  std::string graph_;
};

/// y = x W with x (-1, n) and W of n `weights` (n, 1).
TinyOnnx LinearModel(const std::vector<float>& weights);

/// images (-1, 1, 8, 8) -> logits (-1, 10): conv 16, pool, conv 32, pool, linear; weights from the seed.
TinyOnnx DigitsModel(std::uint32_t seed);

}  // namespace muster::testing
