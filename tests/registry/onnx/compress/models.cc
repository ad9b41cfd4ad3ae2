#include "tests/registry/onnx/compress/models.h"

namespace muster::onnx::testing {
namespace {

Tensor Floats(std::string name, std::vector<std::int64_t> dims, const std::vector<float>& values) {
  Tensor tensor{std::move(name), DataType::kFloat, std::move(dims), {}};
  tensor.bytes.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return tensor;
}

ValueInfo Rows(std::string name, DataType type, const std::vector<std::int64_t>& row) {
  ValueInfo value{std::move(name), type, true, {Dim::Of(std::string("batch"))}};
  for (const std::int64_t size : row) value.shape.push_back(Dim::Of(size));
  return value;
}

using Ints = std::vector<std::int64_t>;

}  // namespace

ModelBuilder::ModelBuilder(std::string name, std::uint64_t seed) : random_(seed) {
  model_.producer_name = "muster";
  model_.graph.name = std::move(name);
}

ModelBuilder& ModelBuilder::Input(std::string name, DataType type, std::vector<std::int64_t> row) {
  model_.graph.inputs.push_back(Rows(std::move(name), type, row));
  return *this;
}

ModelBuilder& ModelBuilder::Output(std::string name, std::vector<std::int64_t> row) {
  model_.graph.outputs.push_back(Rows(std::move(name), DataType::kFloat, row));
  return *this;
}

ModelBuilder& ModelBuilder::Weight(std::string name, std::vector<std::int64_t> dims, double scale) {
  std::size_t count = 1;
  for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random_.Normal() * scale);
  model_.graph.initializers.push_back(Floats(std::move(name), std::move(dims), values));
  return *this;
}

ModelBuilder& ModelBuilder::Ints(std::string name, const std::vector<std::int64_t>& values) {
  Tensor tensor{std::move(name), DataType::kInt64, {static_cast<std::int64_t>(values.size())}, {}};
  tensor.bytes.assign(reinterpret_cast<const char*>(values.data()), values.size() * 8);
  model_.graph.initializers.push_back(std::move(tensor));
  return *this;
}

ModelBuilder& ModelBuilder::Node(std::string op, std::vector<std::string> inputs,
                                 std::string output, std::vector<Attribute> attributes) {
  model_.graph.nodes.push_back(
      {"/" + output, std::move(op), "", std::move(inputs), {output}, std::move(attributes)});
  return *this;
}

Model Mlp() {
  return ModelBuilder("mlp", 1)
      .Input("x", DataType::kFloat, {64})
      .Weight("w1", {64, 48}, 0.2)
      .Weight("b1", {48}, 0.1)
      .Weight("w2", {32, 48}, 0.2)
      .Weight("b2", {1, 32}, 0.1)
      .Weight("w3", {32, 10}, 0.3)
      .Weight("b3", {10}, 0.1)
      .Node("MatMul", {"x", "w1"}, "m1")
      .Node("Add", {"m1", "b1"}, "a1")
      .Node("Relu", {"a1"}, "h1")
      .Node("Gemm", {"h1", "w2", "b2"}, "a2",
            {{"alpha", 0.5F}, {"beta", 2.0F}, {"transB", std::int64_t{1}}})
      .Node("Relu", {"a2"}, "h2")
      .Node("Gemm", {"h2", "w3", "b3"}, "y")
      .Output("y", {10})
      .Build();
}

Model Convolutions() {
  Model model =
      ModelBuilder("convolutions", 2)
          .Input("x", DataType::kFloat, {3, 12, 12})
          .Weight("w1", {16, 3, 3, 3}, 0.2)
          .Weight("b1", {16}, 0.1)
          .Weight("w2", {16, 1, 3, 3}, 0.3)
          .Weight("b2", {16}, 0.1)
          .Weight("w3", {24, 16, 1, 1}, 0.3)
          .Weight("w4", {10, 24}, 0.3)
          .Weight("b4", {10}, 0.1)
          .Node("Conv", {"x", "w1", "b1"}, "c1", {{"pads", Ints{1, 1, 1, 1}}})
          .Node("Relu", {"c1"}, "r1")
          .Node("Conv", {"r1", "w2", "b2"}, "c2",
                {{"group", std::int64_t{16}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}})
          .Node("Relu", {"c2"}, "r2")
          .Node("Conv", {"r2", "w3"}, "c3")
          .Node("GlobalAveragePool", {"c3"}, "p")
          .Node("Flatten", {"p"}, "f")
          .Node("Gemm", {"f", "w4", "b4"}, "y", {{"transB", std::int64_t{1}}})
          .Output("y", {10})
          .Build();
  auto* first = reinterpret_cast<float*>(model.graph.initializers[0].bytes.data());
  for (int i = 0; i < 27; ++i) first[27 * 5 + i] = 0;
  auto* bias = reinterpret_cast<float*>(model.graph.initializers[3].bytes.data());
  bias[7] = 3;
  auto* second = reinterpret_cast<float*>(model.graph.initializers[2].bytes.data());
  for (int i = 0; i < 9; ++i) second[9 * 7 + i] *= 1e-6F;
  return model;
}

Model Embeddings() {
  return ModelBuilder("embeddings", 3)
      .Input("ids", DataType::kInt64, {6})
      .Weight("table", {100, 32}, 0.5)
      .Weight("gain", {32}, 1)
      .Weight("bias", {100}, 0.1)
      .Node("Gather", {"table", "ids"}, "rows")
      .Node("ReduceMean", {"rows"}, "mean", {{"axes", Ints{1}}, {"keepdims", std::int64_t{0}}})
      .Node("LayerNormalization", {"mean", "gain"}, "normed")
      .Node("Gemm", {"normed", "table", "bias"}, "y", {{"transB", std::int64_t{1}}})
      .Output("y", {100})
      .Build();
}

Model Attention() {
  Model model = ModelBuilder("attention", 4)
                    .Input("x", DataType::kFloat, {8, 32})
                    .Weight("wq", {32, 32}, 0.2)
                    .Weight("wk", {32, 32}, 0.2)
                    .Weight("wv", {32, 32}, 0.2)
                    .Weight("mask", {8, 8}, 0)
                    .Node("MatMul", {"x", "wq"}, "q")
                    .Node("MatMul", {"x", "wk"}, "k")
                    .Node("MatMul", {"x", "wv"}, "v")
                    .Node("Transpose", {"k"}, "kt", {{"perm", Ints{0, 2, 1}}})
                    .Node("MatMul", {"q", "kt"}, "scores")
                    .Node("Add", {"scores", "mask"}, "masked")
                    .Node("Softmax", {"masked"}, "weights", {{"axis", std::int64_t{-1}}})
                    .Node("MatMul", {"weights", "v"}, "mixed")
                    .Node("Exp", {"mixed"}, "grown")
                    .Node("Sub", {"grown", "mixed"}, "y")
                    .Output("y", {8, 32})
                    .Build();
  auto* mask = reinterpret_cast<float*>(model.graph.initializers[3].bytes.data());
  for (int i = 0; i < 8; ++i) {
    for (int j = i + 1; j < 8; ++j) mask[8 * i + j] = -1e9F;
  }
  return model;
}

}  // namespace muster::onnx::testing
