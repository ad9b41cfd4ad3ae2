#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "registry/onnx/graph.h"
#include "runtime/base/random.h"

/// Small models of random weights with the kinds of layers that compression knows.

namespace muster::onnx::testing {

class ModelBuilder {
 public:
  explicit ModelBuilder(std::string name, std::uint64_t seed);

  ModelBuilder& Input(std::string name, DataType type, std::vector<std::int64_t> row);
  ModelBuilder& Output(std::string name, std::vector<std::int64_t> row);
  /// Normal numbers times `scale`.
  ModelBuilder& Weight(std::string name, std::vector<std::int64_t> dims, double scale);
  ModelBuilder& Ints(std::string name, const std::vector<std::int64_t>& values);
  ModelBuilder& Node(std::string op, std::vector<std::string> inputs, std::string output,
                     std::vector<Attribute> attributes = {});
  [[nodiscard]] Model Build() const { return model_; }

 private:
  Model model_;
  Random random_;
};

/// x (B, 64) -> MatMul 48, Add, Relu, Gemm 32 (alpha, beta, transB), Relu, Gemm 10 -> y (B, 10).
Model Mlp();
/// x (B, 3, 12, 12) -> Conv 16, Relu, depthwise Conv, Relu, Conv 24 without bias, mean, Gemm -> y (B, 10). One channel of
/// the first Conv has only zeros as weights; one of the second a bias a million times as large as its weights.
Model Convolutions();
/// ids (B, 6) -> rows of a table, mean, LayerNormalization, Gemm with the same table (tied) -> y (B, 100).
Model Embeddings();
/// x (B, 8, 32) -> attention of one head with a mask of -1e9 -> y (B, 8, 32); Exp on the way.
Model Attention();

}  // namespace muster::onnx::testing
