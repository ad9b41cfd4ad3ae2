#include "registry/files/compressing_exporter.h"

#include <algorithm>

#include "registry/onnx/reader.h"
#include "registry/onnx/writer.h"
#include "runtime/base/file.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostCalibrationRows = 256;
constexpr std::size_t kEvaluationBytesMax = std::size_t{4} << 30;

/// Models to be measured, as files, which an engine may map into memory: they stay until the end.
class ScratchModels {
 public:
  ScratchModels(fs::path folder, InferenceEngine& engine)
      : folder_(std::move(folder)), engine_(engine) {}
  ~ScratchModels() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  ScratchModels(const ScratchModels&) = delete;
  ScratchModels& operator=(const ScratchModels&) = delete;

  Result<std::unique_ptr<InferenceModel>> Load(std::string_view bytes) {
    std::error_code code;
    fs::create_directories(folder_, code);
    if (code) return IoError("make " + folder_.string(), code.value());
    const fs::path file = folder_ / (std::to_string(count_++) + ".onnx");
    MUSTER_RETURN_IF_ERROR(WriteFileAtomically(file, bytes));
    return engine_.Load(file, 0);
  }

 private:
  fs::path folder_;
  InferenceEngine& engine_;
  int count_ = 0;
};

/// Every tensor of the file has a row a row of the data.
Status DropRows(const fs::path& path, SafetensorsFile file, std::int64_t dropped) {
  for (Tensor& tensor : file.tensors) {
    const auto row = static_cast<std::ptrdiff_t>(tensor.bytes.size()) / tensor.shape[0];
    tensor.shape[0] -= dropped;
    tensor.bytes.erase(tensor.bytes.begin(), tensor.bytes.begin() + row * dropped);
  }
  return WriteFileAtomically(path, WriteSafetensors(file.tensors, file.metadata));
}

}  // namespace

Status CompressingExporter::Export(const ExportRequest& request) {
  choice_ = {};
  MUSTER_RETURN_IF_ERROR(inner_.Export(request));
  return Compress(request.out_dir);
}

Status CompressingExporter::Compress(const fs::path& directory) {
  MUSTER_ASSIGN_OR_RETURN(const std::string bytes,
                          ReadWholeFile(request_.source, onnx::kMaxModelBytes));
  auto model = onnx::Read(bytes);
  if (!model.ok()) return model.error().With(request_.source.string());
  const fs::path rows_file = directory / "evaluation.safetensors";
  MUSTER_ASSIGN_OR_RETURN(const std::string rows_bytes,
                          ReadWholeFile(rows_file, kEvaluationBytesMax));
  MUSTER_ASSIGN_OR_RETURN(SafetensorsFile rows, ReadSafetensors(rows_bytes));
  MUSTER_ASSIGN_OR_RETURN(const Evaluation evaluation, EvaluationFromTensors(rows));
  const std::int64_t calibration_rows =
      request_.calibration_rows > 0
          ? request_.calibration_rows
          : std::clamp(evaluation.rows() / 4, std::int64_t{1}, kMostCalibrationRows);
  MUSTER_ASSIGN_OR_RETURN(const HeldOut held_out, SplitRows(evaluation, calibration_rows));
  ScratchModels scratch(directory / "forms", engine_);
  MUSTER_ASSIGN_OR_RETURN(
      choice_, ChooseForm(
                   *model, request_.forms, held_out.rest, held_out.calibration, request_.bound,
                   [&](std::string_view onnx) { return scratch.Load(onnx); }, clock_));
  if (choice_.chosen == 0) {
    return Invalid("no compressed form holds the bound\n" +
                   TableText(choice_, request_.bound.metric));
  }
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(directory / "full.onnx", bytes));
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(directory / "model.onnx", choice_.onnx));
  MUSTER_RETURN_IF_ERROR(DropRows(rows_file, std::move(rows), calibration_rows));
  const fs::path info_file = directory / "export.json";
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(info_file));
  MUSTER_ASSIGN_OR_RETURN(ExportInfo info, ExportInfoFromJson(text));
  info.environment["form"] = choice_.table[choice_.chosen].form;
  return WriteFileAtomically(info_file, ToJson(info));
}

}  // namespace muster::registry
