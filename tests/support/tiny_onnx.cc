#include "tests/support/tiny_onnx.h"

#include <fstream>
#include <random>

namespace muster::testing {

namespace {

std::string Varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(0x80 | (value & 0x7f));
  return bytes + static_cast<char>(value);
}
std::string Number(int field, std::int64_t value) {
  return Varint(static_cast<std::uint64_t>(field) << 3) + Varint(static_cast<std::uint64_t>(value));
}
std::string Bytes(int field, std::string_view value) {
  return Varint(static_cast<std::uint64_t>(field) << 3 | 2) + Varint(value.size()) +
         std::string(value);
}

std::string ValueInfo(std::string_view name, OnnxType type, const TinyOnnx::Shape& shape) {
  std::string dimensions;
  for (const std::int64_t size : shape) {
    dimensions += Bytes(1, size < 0 ? Bytes(2, "N") : Number(1, size));
  }
  const std::string tensor = Number(1, type) + Bytes(2, dimensions);
  return Bytes(1, name) + Bytes(2, Bytes(1, tensor));
}

}  // namespace

void TinyOnnx::Input(std::string_view name, OnnxType type, const Shape& shape) {
  graph_ += testing::Bytes(11, ValueInfo(name, type, shape));
}

void TinyOnnx::Output(std::string_view name, OnnxType type, const Shape& shape) {
  graph_ += testing::Bytes(12, ValueInfo(name, type, shape));
}

void TinyOnnx::Weight(std::string_view name, const Shape& shape, const std::vector<float>& values) {
  std::string tensor;
  for (const std::int64_t size : shape) tensor += Number(1, size);
  tensor += Number(2, kOnnxFloat) + testing::Bytes(8, name);
  tensor += testing::Bytes(9, {reinterpret_cast<const char*>(values.data()), values.size() * 4});
  graph_ += testing::Bytes(5, tensor);
}

void TinyOnnx::Node(std::string_view op, const std::vector<std::string>& inputs,
                    std::string_view output, const Attributes& lists, const Attributes& integers) {
  std::string node;
  for (const std::string& input : inputs) node += testing::Bytes(1, input);
  node += testing::Bytes(2, output) + testing::Bytes(4, op);
  for (const auto& [name, values] : lists) {
    std::string attribute = testing::Bytes(1, name);
    for (const std::int64_t value : values) attribute += Number(8, value);
    node += testing::Bytes(5, attribute + Number(20, 7));
  }
  for (const auto& [name, values] : integers) {
    node += testing::Bytes(5, testing::Bytes(1, name) + Number(3, values.at(0)) + Number(20, 2));
  }
  graph_ += testing::Bytes(1, node);
}

std::string TinyOnnx::Bytes() const {
  return Number(1, 8) + testing::Bytes(7, testing::Bytes(2, "tiny") + graph_) +
         testing::Bytes(8, Number(2, 17));
}

void TinyOnnx::Write(const std::filesystem::path& file) const {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << Bytes();
}

TinyOnnx LinearModel(const std::vector<float>& weights) {
  const auto size = static_cast<std::int64_t>(weights.size());
  TinyOnnx model;
  model.Input("x", kOnnxFloat, {-1, size});
  model.Output("y", kOnnxFloat, {-1, 1});
  model.Weight("w", {size, 1}, weights);
  model.Node("MatMul", {"x", "w"}, "y");
  return model;
}

TinyOnnx DigitsModel(std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto weight = [&](TinyOnnx& model, std::string_view name, const TinyOnnx::Shape& shape) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    std::vector<float> values(count);
    // mt19937's own bits: distributions differ between standard libraries.
    for (float& value : values) value = static_cast<float>(random() % 2001) / 10'000.0F - 0.1F;
    model.Weight(name, shape, values);
  };
  TinyOnnx model;
  model.Input("images", kOnnxFloat, {-1, 1, 8, 8});
  model.Output("logits", kOnnxFloat, {-1, 10});
  weight(model, "w1", {16, 1, 3, 3});
  weight(model, "b1", {16});
  weight(model, "w2", {32, 16, 3, 3});
  weight(model, "b2", {32});
  weight(model, "w3", {128, 10});
  weight(model, "b3", {10});
  const TinyOnnx::Attributes same = {{"kernel_shape", {3, 3}}, {"pads", {1, 1, 1, 1}}};
  const TinyOnnx::Attributes half = {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}};
  model.Node("Conv", {"images", "w1", "b1"}, "c1", same);
  model.Node("Relu", {"c1"}, "r1");
  model.Node("MaxPool", {"r1"}, "p1", half);
  model.Node("Conv", {"p1", "w2", "b2"}, "c2", same);
  model.Node("Relu", {"c2"}, "r2");
  model.Node("MaxPool", {"r2"}, "p2", half);
  model.Node("Flatten", {"p2"}, "flat", {}, {{"axis", {1}}});
  model.Node("Gemm", {"flat", "w3", "b3"}, "logits");
  return model;
}

}  // namespace muster::testing
