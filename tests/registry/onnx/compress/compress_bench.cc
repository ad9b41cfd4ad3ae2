// compress_bench DIR: DIR/f32.onnx in all forms, written beside it, and measured on OpenVINO with one thread on the rows of
// DIR/evaluation.safetensors: DIR/openvino.json, for scripts/bench/registry/int8.py.
#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <iostream>
#include <limits>

#include "registry/compression.h"
#include "registry/onnx/reader.h"
#include "registry/onnx/writer.h"
#include "registry/openvino/engine.h"
#include "runtime/base/file.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kCalibration = 256;
constexpr std::size_t kBytesMax = std::size_t{1} << 30;
constexpr int kRounds = 7;
constexpr double kRoundMs = 150;
constexpr std::int64_t kBatches[] = {1, 64};

struct Form {
  std::string name;
  std::unique_ptr<InferenceModel> model;
  double best_ms[2] = {std::numeric_limits<double>::infinity(),
                       std::numeric_limits<double>::infinity()};
  double agreement = 1, accuracy = 0;
};

Result<double> MedianMs(InferenceModel& model, const std::vector<Tensor>& inputs) {
  const Clock& clock = SystemClock();
  std::vector<double> times;
  double total = 0;
  while (times.size() < 5 || total < kRoundMs) {
    const MonotonicTime begin = clock.Now();
    MUSTER_RETURN_IF_ERROR(model.Infer(inputs));
    times.push_back(std::chrono::duration<double, std::milli>(clock.Now() - begin).count());
    total += times.back();
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  return *middle;
}

/// The rounds go over all forms, and the best round counts: others' work on the machine meets all alike.
Status Measure(std::vector<Form>& forms, const Evaluation& rows) {
  std::vector<float> full;
  for (Form& form : forms) {
    MUSTER_ASSIGN_OR_RETURN(const auto logits, Logits(*form.model, rows));
    if (full.empty()) full = logits;
    form.agreement = AgreementOf(full, logits, rows).share();
    MUSTER_ASSIGN_OR_RETURN(form.accuracy, ComputeMetric("accuracy", logits, rows));
  }
  for (int round = 0; round < kRounds; ++round) {
    for (Form& form : forms) {
      for (std::size_t i = 0; i < std::size(kBatches); ++i) {
        auto inputs = RowsOf(rows, 0, kBatches[i]).inputs;
        inputs[0].name = form.model->inputs()[0].name;
        MUSTER_ASSIGN_OR_RETURN(const double ms, MedianMs(*form.model, inputs));
        form.best_ms[i] = std::min(form.best_ms[i], ms);
      }
    }
  }
  return Ok();
}

Status Bench(const fs::path& folder) {
  const auto engine = MakeOpenVinoEngine();
  int loads = 0;
  const auto load = [&](std::string_view bytes) -> Result<std::unique_ptr<InferenceModel>> {
    fs::create_directories(folder / "measured");
    const fs::path file = folder / "measured" / (std::to_string(loads++) + ".onnx");
    MUSTER_RETURN_IF_ERROR(WriteFileAtomically(file, bytes));
    return engine->Load(file, 1);
  };
  MUSTER_ASSIGN_OR_RETURN(const auto bytes, ReadWholeFile(folder / "f32.onnx", kBytesMax));
  MUSTER_ASSIGN_OR_RETURN(const onnx::Model model, onnx::Read(bytes));
  MUSTER_ASSIGN_OR_RETURN(const auto data,
                          ReadWholeFile(folder / "evaluation.safetensors", kBytesMax));
  MUSTER_ASSIGN_OR_RETURN(const auto tensors, ReadSafetensors(data));
  MUSTER_ASSIGN_OR_RETURN(const Evaluation rows, EvaluationFromTensors(tensors));
  MUSTER_ASSIGN_OR_RETURN(const HeldOut held_out, SplitRows(rows, kCalibration));
  MUSTER_ASSIGN_OR_RETURN(const auto wanted, ParseCompressionForms("auto"));
  MUSTER_ASSIGN_OR_RETURN(
      const CompressionChoice choice,
      ChooseForm(model, wanted, held_out.rest, held_out.calibration, {}, load, SystemClock()));
  std::vector<Form> forms;
  forms.push_back({.name = "f32"});
  MUSTER_ASSIGN_OR_RETURN(forms[0].model, load(bytes));
  for (const CompressionForm& form : wanted) {
    MUSTER_ASSIGN_OR_RETURN(const auto built, BuildForm(model, form, held_out.calibration, load));
    MUSTER_ASSIGN_OR_RETURN(const std::string text, onnx::Write(built.model));
    forms.push_back({.name = CompressionFormName(form)});
    MUSTER_RETURN_IF_ERROR(WriteFileAtomically(folder / (forms.back().name + ".onnx"), text));
    MUSTER_ASSIGN_OR_RETURN(forms.back().model, load(text));
  }
  MUSTER_RETURN_IF_ERROR(Measure(forms, held_out.rest));
  boost::json::object table;
  for (const Form& form : forms) {
    table[form.name] = {{"ms_1", form.best_ms[0]},
                        {"ms_64", form.best_ms[1]},
                        {"agreement", form.agreement},
                        {"accuracy", form.accuracy}};
  }
  return WriteFileAtomically(
      folder / "openvino.json",
      boost::json::serialize(boost::json::object{{"engine", engine->name()},
                                                 {"calibration", kCalibration},
                                                 {"chosen", choice.table[choice.chosen].form},
                                                 {"forms", table}}));
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
