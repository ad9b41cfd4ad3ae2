#include "runtime/cli/predict_run.h"

#include <deque>
#include <future>

#include "runtime/base/clock.h"
#include "runtime/base/csv.h"
#include "runtime/base/file.h"

namespace muster::cli {
namespace {

using registry::RowBatch;
using registry::Tensor;

struct Batch {
  RowPosition end;
  std::uint64_t skipped = 0;
  registry::Predictions predictions;
  std::vector<registry::BadRow> bad;
};

/// A model of a fixed number of rows gets rows of zeros behind those there are, whose answers are cut off.
Result<std::vector<Tensor>> Infer(registry::InferenceModel& model, std::vector<Tensor> inputs,
                                  std::size_t rows) {
  bool padded = false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& shape = model.inputs()[i].shape;
    const std::int64_t wanted = shape.empty() ? -1 : shape[0];
    if (wanted > static_cast<std::int64_t>(rows)) {
      inputs[i].bytes.resize(inputs[i].bytes.size() / rows * static_cast<std::size_t>(wanted));
      inputs[i].shape[0] = wanted;
      padded = true;
    }
  }
  MUSTER_ASSIGN_OR_RETURN(auto outputs, model.Infer(inputs));
  for (Tensor& output : outputs) {
    if (!padded || output.shape.empty() || output.shape[0] <= 0) continue;
    output.bytes.resize(output.bytes.size() / static_cast<std::size_t>(output.shape[0]) * rows);
    output.shape[0] = static_cast<std::int64_t>(rows);
  }
  return outputs;
}

Result<Batch> Compute(const PredictWork& work, const RawBatch& raw) {
  MUSTER_ASSIGN_OR_RETURN(RowBatch rows, raw.decode());
  Batch batch{raw.end, rows.bad.size(), {}, std::move(rows.bad)};
  if (rows.rows() == 0) return batch;
  MUSTER_ASSIGN_OR_RETURN(const auto outputs,
                          Infer(work.model, std::move(rows.inputs), rows.rows()));
  MUSTER_ASSIGN_OR_RETURN(batch.predictions, registry::WritePredictions(work.form, rows, outputs));
  return batch;
}

class Run {
 public:
  explicit Run(PredictWork& work) : work_(work), synced_(SystemClock().Now()) {}

  Result<bool> Go() {
    Result<bool> ended = Loop();
    const Status safe = Sync();
    if (!ended.ok()) return ended;
    if (!safe.ok()) return safe.error();
    return ended;
  }

 private:
  Result<bool> Loop() {
    bool more = true;
    while (true) {
      while (more && std::ssize(running_) < work_.parallel) {
        MUSTER_ASSIGN_OR_RETURN(auto raw, work_.rows.Next(work_.batch_rows));
        more = raw.has_value();
        if (!more) break;
        running_.push_back(std::async(
            std::launch::async, [this, batch = std::move(*raw)] { return Compute(work_, batch); }));
      }
      if (running_.empty()) break;
      const Result<Batch> batch = running_.front().get();
      running_.pop_front();
      if (!batch.ok()) return batch.error();
      MUSTER_RETURN_IF_ERROR(Append(*batch));
      if (work_.show) work_.show(work_.progress, work_.rows.Share(batch->end));
      if (SystemClock().Now() - synced_ >= work_.sync_every) MUSTER_RETURN_IF_ERROR(Sync());
      if (work_.stopped && work_.stopped()) return false;
    }
    return true;
  }

  Status Append(const Batch& batch) {
    auto& progress = work_.progress;
    if (!batch.bad.empty()) {
      if (work_.bad == nullptr) {
        const auto& row = batch.bad.front();
        return Invalid(progress.input + ":" + std::to_string(row.line) + ": " + row.why +
                       "; --skip-bad FILE collects such rows and goes on");
      }
      std::string lines;
      for (const auto& row : batch.bad) {
        lines += std::to_string(row.line) + ",";
        AppendCsv(lines, row.why);
        lines += ",";
        AppendCsv(lines, row.record);
        lines += "\n";
      }
      MUSTER_RETURN_IF_ERROR(work_.bad->Append(lines));
    }
    const auto& predictions = batch.predictions;
    if (!predictions.header.empty()) {
      if (progress.header.empty()) {
        progress.header = predictions.header;
        progress.classes = predictions.classes;
        MUSTER_RETURN_IF_ERROR(work_.out.Append(predictions.header));
      } else if (progress.header != predictions.header) {
        return Invalid("the model answers another number of figures a row from row " +
                       std::to_string(progress.rows) + " on; write .jsonl");
      }
    }
    progress.classes = progress.classes || predictions.classes;
    MUSTER_RETURN_IF_ERROR(work_.out.Append(predictions.text));
    progress.rows = batch.end.row;
    progress.input_bytes = batch.end.bytes;
    progress.input_line = batch.end.line;
    progress.skipped += batch.skipped;
    progress.correct += predictions.correct;
    progress.output_bytes = work_.out.bytes();
    progress.skip_bad_bytes = work_.bad != nullptr ? work_.bad->bytes() : 0;
    return Ok();
  }

  Status Sync() {
    synced_ = SystemClock().Now();
    MUSTER_RETURN_IF_ERROR(work_.out.Sync());
    if (work_.bad != nullptr) MUSTER_RETURN_IF_ERROR(work_.bad->Sync());
    return WriteFileAtomically(work_.progress_file, registry::ToJson(work_.progress));
  }

  PredictWork& work_;
  MonotonicTime synced_;
  std::deque<std::future<Result<Batch>>> running_;
};

}  // namespace

Result<bool> RunPredictions(PredictWork& work) { return Run(work).Go(); }

}  // namespace muster::cli
