#include "trainer/run/export_model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/nn/module.h>

#include <cstring>

#include "registry/evaluation.h"
#include "registry/onnx/writer.h"
#include "runtime/base/file.h"
#include "trainer/export/export.h"
#include "trainer/files/checkpoint_folder.h"
#include "trainer/hdf5/dataset_file.h"
#include "trainer/torch/batch_loader.h"
#include "trainer/torch/evaluate.h"
#include "trainer/torch/model_state.h"

namespace muster::trainer::run {
namespace {

constexpr std::uint64_t kBatch = 256;

registry::Tensor AsBytes(std::string name, registry::ElementType type, const at::Tensor& tensor) {
  const at::Tensor host = tensor.contiguous();
  registry::Tensor bytes{
      .name = std::move(name), .type = type, .shape = host.sizes().vec(), .bytes = {}};
  bytes.bytes.resize(host.nbytes());
  std::memcpy(bytes.bytes.data(), host.data_ptr(), host.nbytes());
  return bytes;
}

struct HeldOut {
  at::Tensor inputs, labels, reference;
};

Result<HeldOut> Compute(Trial& trial, const RowSource& source) {
  const DataSpec data = trial.data();
  MUSTER_ASSIGN_OR_RETURN(
      auto loader, BatchLoader::Start(source, {.columns = data.columns(),
                                               .epoch = {.rows = source.rows(), .shuffled = false},
                                               .batch_size = kBatch}));
  std::vector<at::Tensor> inputs, labels, logits;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const auto loaded, loader->Next());
    if (!loaded) break;
    inputs.push_back(loaded->batch[data.inputs]);
    labels.push_back(loaded->batch[data.labels].to(at::kLong));
    logits.push_back(trial.Forward(inputs.back()).to(at::kFloat));
  }
  return HeldOut{at::cat(inputs), at::cat(labels), at::cat(logits)};
}

std::vector<std::int64_t> AnyRows(const at::Tensor& tensor) {
  std::vector<std::int64_t> shape = tensor.sizes().vec();
  shape[0] = -1;
  return shape;
}

Status WriteOnnx(Trial& trial, torch::nn::Module& module, const at::Tensor& inputs,
                 const std::filesystem::path& path) {
  const auto forward = [&](const std::vector<at::Tensor>& in) -> std::vector<at::Tensor> {
    return {trial.Forward(in[0])};
  };
  const at::Tensor examples = inputs.slice(0, 0, std::min<std::int64_t>(8, inputs.size(0)));
  MUSTER_ASSIGN_OR_RETURN(
      const onnx::Model model,
      exporting::ExportModule(
          module, forward, {examples},
          {.model_name = trial.name(), .input_names = {"input"}, .output_names = {"logits"}}));
  MUSTER_ASSIGN_OR_RETURN(const std::string bytes, onnx::Write(model));
  return WriteFileAtomically(path, bytes);
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
  MUSTER_ASSIGN_OR_RETURN(
      const auto means,
      EvaluateSource(trial, *module, *source, Gang(), HostAccelerator(), Precision::kFp32, kBatch));
  MUSTER_ASSIGN_OR_RETURN(const HeldOut rows, Compute(trial, *source));
  if (rows.inputs.scalar_type() != at::kFloat) {
    return Unsupported("models for serving take f32 inputs; '" + trial.data().inputs + "' is " +
                       std::string(c10::toString(rows.inputs.scalar_type())));
  }
  MUSTER_RETURN_IF_ERROR(WriteOnnx(trial, *module, rows.inputs, out / "model.onnx"));
  using registry::ElementType;
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(
      out / "evaluation.safetensors",
      registry::WriteSafetensors({AsBytes("inputs", ElementType::kF32, rows.inputs),
                                  AsBytes("labels", ElementType::kI64, rows.labels),
                                  AsBytes("reference", ElementType::kF32, rows.reference)})));
  registry::ExportInfo info{.opset = onnx::kOpset,
                            .inputs = {{"input", ElementType::kF32, AnyRows(rows.inputs)}},
                            .outputs = {{"logits", ElementType::kF32, AnyRows(rows.reference)}}};
  for (const auto& [name, mean] : means) info.metrics["test/" + name] = mean;
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
