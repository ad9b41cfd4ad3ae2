#include "registry/compression.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "registry/onnx/writer.h"

namespace muster::registry {
namespace {

/// `count` rows, the first ones again when there are fewer.
std::vector<Tensor> Batch(const InferenceModel& model, const Evaluation& evaluation,
                          std::int64_t count) {
  std::vector<Tensor> inputs = RowsOf(evaluation, 0, std::min(count, evaluation.rows())).inputs;
  if (inputs.size() == 1 && model.inputs().size() == 1) inputs[0].name = model.inputs()[0].name;
  for (Tensor& input : inputs) {
    const std::size_t row = input.bytes.size() / static_cast<std::size_t>(input.shape[0]);
    for (std::size_t i = 0; input.bytes.size() < row * static_cast<std::size_t>(count); ++i) {
      input.bytes.push_back(input.bytes[i]);
    }
    input.shape[0] = count;
  }
  return inputs;
}

/// The median time of one Infer of `count` rows, in ms.
Result<double> MedianMs(InferenceModel& model, const Evaluation& evaluation, std::int64_t count,
                        const Clock& clock) {
  constexpr std::size_t kLeastRuns = 5, kMostRuns = 200;
  constexpr double kLongEnoughMs = 200;
  const std::vector<Tensor> batch = Batch(model, evaluation, count);
  MUSTER_RETURN_IF_ERROR(model.Infer(batch));  // the first one prepares kernels
  std::vector<double> times;
  double total = 0;
  while (times.size() < kLeastRuns || (total < kLongEnoughMs && times.size() < kMostRuns)) {
    const MonotonicTime begin = clock.Now();
    MUSTER_RETURN_IF_ERROR(model.Infer(batch));
    times.push_back(std::chrono::duration<double, std::milli>(clock.Now() - begin).count());
    total += times.back();
    if (times.size() == kMostRuns) break;
  }
  std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
  return times[times.size() / 2];
}

std::string Fixed(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// As of ChooseForm; `table` begins with f32.
std::size_t Fastest(const std::vector<FormFigures>& table) {
  constexpr double kAsFast = 1.1;
  double best_ms = std::numeric_limits<double>::infinity();
  for (std::size_t i = 1; i < table.size(); ++i) {
    if (table[i].refused.empty()) best_ms = std::min(best_ms, table[i].ms_1);
  }
  std::size_t chosen = 0;
  for (std::size_t i = 1; i < table.size(); ++i) {
    if (!table[i].refused.empty() || table[i].ms_1 > kAsFast * best_ms) continue;
    if (chosen == 0 || table[i].ms_32 < table[chosen].ms_32) chosen = i;
  }
  return chosen;
}

/// One row of the table at a time, all against the same f32 answers.
class Measurement {
 public:
  Measurement(const Evaluation& evaluation, const CompressionBound& bound, const LoadOnnx& load,
              const Clock& clock)
      : evaluation_(evaluation), bound_(bound), load_(load), clock_(clock) {}

  Status Full(const std::string& onnx, FormFigures& figures) {
    MUSTER_RETURN_IF_ERROR(Measure(onnx, figures, full_logits_));
    full_metric_ = figures.metric;
    return Ok();
  }

  Status Form(const std::string& onnx, FormFigures& figures) {
    std::vector<float> logits;
    MUSTER_RETURN_IF_ERROR(Measure(onnx, figures, logits));
    figures.agreement = AgreementOf(full_logits_, logits, evaluation_).share();
    MUSTER_ASSIGN_OR_RETURN(const bool higher, HigherIsBetter(bound_.metric));
    const double drop = higher ? full_metric_ - figures.metric : figures.metric - full_metric_;
    if (!(figures.agreement >= bound_.min_agreement)) {
      figures.refused = "agrees on " + Fixed(100 * figures.agreement, 2) +
                        " % of decisions, wanted " + Fixed(100 * bound_.min_agreement, 2) + " %";
    } else if (!(drop <= bound_.max_drop)) {
      figures.refused = bound_.metric + " is worse by " + Fixed(drop, 5) + ", at most " +
                        Fixed(bound_.max_drop, 5) + " wanted";
    }
    return Ok();
  }

 private:
  Status Measure(const std::string& onnx, FormFigures& figures, std::vector<float>& logits) {
    figures.bytes = static_cast<std::int64_t>(onnx.size());
    MUSTER_ASSIGN_OR_RETURN(const auto model, load_(onnx));
    MUSTER_ASSIGN_OR_RETURN(logits, Logits(*model, evaluation_));
    MUSTER_ASSIGN_OR_RETURN(figures.metric, ComputeMetric(bound_.metric, logits, evaluation_));
    MUSTER_ASSIGN_OR_RETURN(figures.ms_1, MedianMs(*model, evaluation_, 1, clock_));
    MUSTER_ASSIGN_OR_RETURN(figures.ms_32, MedianMs(*model, evaluation_, 32, clock_));
    return Ok();
  }

  const Evaluation& evaluation_;
  const CompressionBound& bound_;
  const LoadOnnx& load_;
  const Clock& clock_;
  std::vector<float> full_logits_;
  double full_metric_ = 0;
};

}  // namespace

Result<HeldOut> SplitRows(const Evaluation& evaluation, std::int64_t calibration_rows) {
  const std::int64_t rows = evaluation.rows();
  if (calibration_rows >= 1 && calibration_rows < rows) {
    return HeldOut{RowsOf(evaluation, 0, calibration_rows),
                   RowsOf(evaluation, calibration_rows, rows - calibration_rows)};
  }
  return Invalid("calibration wants " + std::to_string(calibration_rows) + " of " +
                 std::to_string(rows) + " held-out rows; wanted 1 to " + std::to_string(rows - 1) +
                 ", for the others judge the result");
}

Result<CompressionChoice> ChooseForm(const onnx::Model& model,
                                     const std::vector<CompressionForm>& forms,
                                     const Evaluation& evaluation, const Evaluation& calibration,
                                     const CompressionBound& bound, const LoadOnnx& load,
                                     const Clock& clock) {
  Measurement measurement(evaluation, bound, load, clock);
  CompressionChoice choice;
  FormFigures& full = choice.table.emplace_back();
  full.form = "f32";
  MUSTER_ASSIGN_OR_RETURN(const std::string full_bytes, onnx::Write(model));
  MUSTER_RETURN_IF_ERROR(measurement.Full(full_bytes, full));
  std::vector<std::string> models;
  for (const CompressionForm& form : forms) {
    FormFigures figures;
    figures.form = CompressionFormName(form);
    std::string bytes;
    const auto run = [&]() -> Status {
      MUSTER_ASSIGN_OR_RETURN(const auto built, BuildForm(model, form, calibration, load));
      MUSTER_ASSIGN_OR_RETURN(bytes, onnx::Write(built.model));
      return measurement.Form(bytes, figures);
    };
    if (const Status status = run(); !status.ok()) {
      if (status.error().kind == ErrorKind::kIo || status.error().kind == ErrorKind::kResource) {
        return status.error();
      }
      figures.agreement = figures.metric = std::nan("");
      figures.refused = status.error().message;
    }
    choice.table.push_back(std::move(figures));
    models.push_back(std::move(bytes));
  }
  choice.chosen = Fastest(choice.table);
  if (choice.chosen > 0) choice.onnx = std::move(models[choice.chosen - 1]);
  return choice;
}

std::string TableText(const CompressionChoice& choice, std::string_view metric) {
  std::string text = "form             size MB  ms b1   ms b32  speed-up b1 b32  agreement  " +
                     std::string(metric) + "\n";
  const FormFigures& full = choice.table.front();
  for (std::size_t i = 0; i < choice.table.size(); ++i) {
    const FormFigures& row = choice.table[i];
    char line[160];
    std::snprintf(line, sizeof line, "%c %-14s %8.2f %7.3f %8.3f %8.2f %6.2f %10.4f  %.5f  ",
                  i == choice.chosen && i > 0 ? '*' : ' ', row.form.c_str(),
                  static_cast<double>(row.bytes) / 1e6, row.ms_1, row.ms_32, full.ms_1 / row.ms_1,
                  full.ms_32 / row.ms_32, row.agreement, row.metric);
    text += line + row.refused + "\n";
  }
  return text;
}

}  // namespace muster::registry
