// compress_bench DIR: an MLP 512-2048-2048-10 of random weights in all forms, measured on OpenVINO with one thread; its
// files, with rows and f32's answers, for scripts/bench/registry/int8.py.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "registry/compression.h"
#include "registry/onnx/writer.h"
#include "registry/openvino/engine.h"
#include "runtime/base/file.h"
#include "tests/registry/onnx/compress/models.h"
#include "tests/support/npy.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRows = 1'024;
constexpr std::int64_t kCalibration = 256;
constexpr std::int64_t kInputs = 512, kHidden = 2'048, kClasses = 10;

/// Weights as He et al. 2015 begin with: activations keep their size.
onnx::Model LargeMlp() {
  const auto scale = [](std::int64_t inputs) {
    return std::sqrt(2.0 / static_cast<double>(inputs));
  };
  return onnx::testing::ModelBuilder("mlp", 1)
      .Input("x", onnx::DataType::kFloat, {kInputs})
      .Weight("w1", {kInputs, kHidden}, scale(kInputs))
      .Weight("b1", {kHidden}, 0.1)
      .Weight("w2", {kHidden, kHidden}, scale(kHidden))
      .Weight("b2", {kHidden}, 0.1)
      .Weight("w3", {kHidden, kClasses}, scale(kHidden))
      .Weight("b3", {kClasses}, 0.1)
      .Node("Gemm", {"x", "w1", "b1"}, "a1")
      .Node("Relu", {"a1"}, "h1")
      .Node("Gemm", {"h1", "w2", "b2"}, "a2")
      .Node("Relu", {"a2"}, "h2")
      .Node("Gemm", {"h2", "w3", "b3"}, "y")
      .Output("y", {kClasses})
      .Build();
}

Status Bench(const fs::path& folder) {
  const auto engine = MakeOpenVinoEngine();
  int loads = 0;
  const auto load = [&](std::string_view bytes) -> Result<std::unique_ptr<InferenceModel>> {
    const fs::path file = folder / ("measured-" + std::to_string(loads++) + ".onnx");
    MUSTER_RETURN_IF_ERROR(WriteFileAtomically(file, bytes));
    return engine->Load(file, 1);
  };
  const onnx::Model model = LargeMlp();
  Random random(2);
  Evaluation rows;
  rows.inputs = {{"x", ElementType::kF32, {kRows, kInputs}, {}}};
  rows.inputs[0].bytes.resize(kRows * kInputs * sizeof(float));
  for (std::size_t i = 0; i < rows.inputs[0].bytes.size(); i += sizeof(float)) {
    const auto value = static_cast<float>(random.Normal());
    std::memcpy(rows.inputs[0].bytes.data() + i, &value, sizeof value);
  }
  rows.outputs = {{"y", ElementType::kF32, {kRows, kClasses}}};
  rows.classes = kClasses;
  rows.labels.assign(kRows, 0);
  rows.reference.assign(kRows * kClasses, 0);
  MUSTER_ASSIGN_OR_RETURN(const std::string bytes, onnx::Write(model));
  MUSTER_ASSIGN_OR_RETURN(const auto full, load(bytes));
  MUSTER_ASSIGN_OR_RETURN(rows.reference, Logits(*full, rows));
  for (std::int64_t row = 0; row < kRows; ++row) {  // f32 is right by definition
    const auto first = rows.reference.begin() + row * kClasses;
    rows.labels[static_cast<std::size_t>(row)] = std::max_element(first, first + kClasses) - first;
  }
  MUSTER_ASSIGN_OR_RETURN(const HeldOut held_out, SplitRows(rows, kCalibration));
  MUSTER_ASSIGN_OR_RETURN(auto forms, ParseCompressionForms("auto"));
  MUSTER_ASSIGN_OR_RETURN(
      const CompressionChoice choice,
      ChooseForm(model, forms, held_out.rest, held_out.calibration,
                 {.min_agreement = 0.95, .max_drop = 0.05}, load, SystemClock()));
  std::cout << engine->name() << ", one thread\n" << TableText(choice, "accuracy");
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(folder / "f32.onnx", bytes));
  for (const CompressionForm& form : forms) {
    MUSTER_ASSIGN_OR_RETURN(const auto built, BuildForm(model, form, held_out.calibration, load));
    MUSTER_ASSIGN_OR_RETURN(const std::string text, onnx::Write(built.model));
    MUSTER_RETURN_IF_ERROR(
        WriteFileAtomically(folder / (CompressionFormName(form) + ".onnx"), text));
  }
  const auto& x = held_out.rest.inputs[0];
  muster::testing::WriteNpy(folder / "rows.npy", "<f4", x.shape,
                            {reinterpret_cast<const char*>(x.bytes.data()), x.bytes.size()});
  return Ok();
}

}  // namespace
}  // namespace muster::registry

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: compress_bench DIR\n";
    return 2;
  }
  const auto status = muster::registry::Bench(argv[1]);
  if (!status.ok()) std::cerr << "compress_bench: " << status.error().message << "\n";
  return status.ok() ? 0 : 1;
}
