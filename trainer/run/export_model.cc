#include "trainer/run/export_model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/nn/module.h>

#include "registry/evaluation.h"
#include "registry/files/onnx_file.h"
#include "runtime/base/file.h"
#include "trainer/export/export.h"
#include "trainer/files/checkpoint_folder.h"
#include "trainer/hdf5/dataset_file.h"
#include "trainer/run/held_out.h"
#include "trainer/run/origin.h"
#include "trainer/torch/evaluate.h"
#include "trainer/torch/model_state.h"

namespace muster::trainer::run {
namespace {

/// A few rows of an input to trace with.
at::Tensor Example(const registry::Tensor& input, const registry::TensorSpec& spec) {
  const auto type = [&] {
    switch (spec.type) {
      case registry::ElementType::kU8:
        return at::kByte;
      case registry::ElementType::kI32:
        return at::kInt;
      case registry::ElementType::kI64:
        return at::kLong;
      case registry::ElementType::kF64:
        return at::kDouble;
      default:
        return at::kFloat;
    }
  }();
  // A copy: tracing runs the model, and from_blob would let it write to the rows.
  return at::from_blob(const_cast<std::byte*>(input.bytes.data()), input.shape, type)
      .slice(0, 0, std::min<std::int64_t>(8, input.shape[0]))
      .clone();
}

/// The operator set of what was written: `path`, and weights beyond a file's limit beside it.
Result<std::int64_t> WriteOnnx(Trial& trial, torch::nn::Module& module, const HeldOut& rows,
                               const std::filesystem::path& path) {
  exporting::ExportOptions options{.model_name = trial.name()};
  std::vector<at::Tensor> examples;
  for (std::size_t i = 0; i < rows.inputs.size(); ++i) {
    options.input_names.push_back(rows.inputs[i].name);
    examples.push_back(Example(rows.tensors[i], rows.inputs[i]));
  }
  for (const auto& output : rows.outputs) options.output_names.push_back(output.name);
  const auto forward = [&](const std::vector<at::Tensor>& in) { return trial.Serve(in); };
  MUSTER_ASSIGN_OR_RETURN(const onnx::Model model,
                          exporting::ExportModule(module, forward, examples, options));
  MUSTER_RETURN_IF_ERROR(registry::WriteOnnxFile(model, path));
  return model.opsets.at("");
}

Status Export(Trial& trial, const Options& options) {
  const std::filesystem::path& out = *options.export_dir;
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) return IoError("making folder " + out.string(), error.value());
  MUSTER_ASSIGN_OR_RETURN(const auto source, hdf5::OpenDataset(options.file.data.at("test")));
  MUSTER_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                          files::ReadCheckpointFile(options.checkpoint));
  const std::shared_ptr<torch::nn::Module> module = trial.Build(options.params);
  const Status loaded = LoadModel(checkpoint, *module);
  if (!loaded.ok()) return loaded.error().With(options.checkpoint.string());

  const c10::NoGradGuard no_gradients;
  module->eval();
  MUSTER_ASSIGN_OR_RETURN(const HeldOut rows, ComputeHeldOut(trial, *source, options.segments));
  MUSTER_ASSIGN_OR_RETURN(const auto means,
                          EvaluateSource(trial, *module, *source, Gang(), HostAccelerator(),
                                         Precision::kFp32, static_cast<std::uint64_t>(rows.batch)));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t opset,
                          WriteOnnx(trial, *module, rows, out / "model.onnx"));
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(
      out / "evaluation.safetensors", registry::WriteSafetensors(rows.tensors, rows.metadata)));
  registry::ExportInfo info{.opset = opset,
                            .task = RegistryTask(trial.served().task),
                            .inputs = rows.inputs,
                            .outputs = rows.outputs};
  for (const auto& [name, mean] : means) info.metrics["test/" + name] = mean;
  MUSTER_RETURN_IF_ERROR(AddOrigin(checkpoint.metadata, options.file.data, info));
  return WriteFileAtomically(out / "export.json", registry::ToJson(info));
}

}  // namespace

Status ExportModel(Trial& trial, const Options& options) {
  try {
    return Export(trial, options);
  } catch (const c10::Error& error) {
    return Internal(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return Internal(error.what());
  }
}

}  // namespace muster::trainer::run
