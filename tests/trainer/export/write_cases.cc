// write_cases DIR: exports each model, and writes beside it what LibTorch computes with it, for
// oracle.py to compare with other engines. Layout: DIR/<model>/model.onnx, DIR/<model>/<rows>/
// {input_0, output_0, ...}.npy.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "registry/files/onnx_file.h"
#include "tests/support/npy.h"
#include "tests/trainer/export/models.h"
#include "trainer/export/builder.h"

namespace muster::testing {
namespace {

std::string Descr(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "<f4";
    case at::kDouble:
      return "<f8";
    case at::kLong:
      return "<i8";
    case at::kInt:
      return "<i4";
    case at::kByte:
      return "|u1";
    case at::kBool:
      return "|b1";
    default:
      return "<f4";
  }
}

void WriteTensors(const std::filesystem::path& folder, const std::string& stem,
                  const std::vector<at::Tensor>& tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const onnx::Tensor plain = exporting::OnnxTensor(stem, tensors[i]);
    WriteNpy(folder / (stem + "_" + std::to_string(i) + ".npy"), Descr(tensors[i].scalar_type()),
             plain.dims, plain.bytes);
  }
}

Status WriteCase(const ExportCase& model, const std::filesystem::path& folder) {
  const auto start = std::chrono::steady_clock::now();
  exporting::ExportOptions options = model.options;
  options.model_name = model.name;
  options.front_end = exporting::FrontEnd::kTorchScript;
  MUSTER_ASSIGN_OR_RETURN(
      const onnx::Model exported,
      exporting::ExportModule(*model.module, model.forward, model.inputs(2), options));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  options.front_end = exporting::FrontEnd::kDispatcher;
  const auto other =
      exporting::ExportModule(*model.module, model.forward, model.inputs(2), options);
  // The tracer does not see how a module that such a function makes inside draws its weights.
  const bool draws = !other.ok() && model.name.starts_with("op_") &&
                     other.error().message.find("draws random numbers") != std::string::npos;
  if (!other.ok() && !draws) return other.error().With("through the dispatcher");
  if (!draws && !(*other == exported)) {
    return Corrupt("the dispatcher's front end leads to another model:\n" + onnx::Describe(*other) +
                   "\ninstead of\n" + onnx::Describe(exported));
  }
  std::filesystem::create_directories(folder);
  const std::filesystem::path file = folder / "model.onnx";
  if (model.weights_apart) {
    MUSTER_RETURN_IF_ERROR(registry::WriteOnnxFile(exported, file, {.inline_bytes_max = 0}));
  } else {
    MUSTER_ASSIGN_OR_RETURN(const std::string bytes, onnx::Write(exported));
    std::ofstream(file, std::ios::binary) << bytes;
  }
  MUSTER_ASSIGN_OR_RETURN(const onnx::Model again, registry::ReadOnnxFile(file));
  if (!(again == exported)) return Corrupt("the file does not read back as what was written");
  std::printf("%-20s %zu nodes, %zu bytes, exported in %.3f s\n", model.name.c_str(),
              exported.graph.nodes.size(), onnx::WeightBytes(exported), seconds.count());

  model.module->eval();
  const at::NoGradGuard no_grad;
  for (const std::int64_t rows : {1, 3, 64}) {
    const std::filesystem::path inner = folder / std::to_string(rows);
    std::filesystem::create_directories(inner);
    const std::vector<at::Tensor> inputs = model.inputs(rows);
    WriteTensors(inner, "input", inputs);
    WriteTensors(inner, "output", model.forward(inputs));
  }
  return Ok();
}

}  // namespace
}  // namespace muster::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_cases DIR\n");
    return 2;
  }
  int failed = 0;
  namespace cases = muster::testing;
  std::vector<cases::ExportCase> all;
  for (const auto& family :
       {cases::ModelCases, cases::TrialCases, cases::DynamicCases,
        cases::ConvolutionalArchitectures, cases::VisionArchitectures, cases::SequenceArchitectures,
        cases::TabularArchitectures, cases::OperatorCases}) {
    for (auto& one : family()) all.push_back(std::move(one));
  }
  for (const char* name :
       {"causal_transformer", "op_extremes_of", "op_mean", "op_norms", "op_pads", "op_prod",
        "op_splits", "op_spread", "op_upsample_both_corner_conventions"}) {
    const auto same = std::ranges::find(all, name, &cases::ExportCase::name);
    MUSTER_CHECK(same != all.end(), "a case of that name");
    cases::ExportCase newest = *same;
    newest.name += "_opset_20";
    newest.options.opset = 20;
    all.push_back(std::move(newest));
  }
  for (const auto& model : all) {
    const muster::Status status =
        muster::testing::WriteCase(model, std::filesystem::path(argv[1]) / model.name);
    if (status.ok()) continue;
    std::fprintf(stderr, "%s: %s\n", model.name.c_str(), status.error().message.c_str());
    failed = 1;
  }
  return failed;
}
