// muster predict: rows of a file through a model.
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fstream>
#include <iostream>
#include <memory>
#include <thread>

#include "registry/files/signed_directory.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/cli/context.h"
#include "runtime/cli/follow.h"
#include "runtime/cli/predict_model.h"
#include "runtime/cli/predict_run.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;
using registry::BatchProgress;

struct PredictFlags {
  std::string model, in, out, skip_bad, header = "auto", labels = "labels";
  std::vector<std::string> inputs, keep, outputs = {"*"};
  std::size_t batch_rows = 256;
  int threads = 0;
  double sync_seconds = 1;
  bool resume = true;

  [[nodiscard]] RowFileOptions rows() const {
    RowFileOptions options{{inputs, keep, labels}, {}};
    if (header != "auto") options.header = header == "yes";
    return options;
  }
  [[nodiscard]] bool json_lines() const { return out.ends_with(".jsonl"); }
  [[nodiscard]] fs::path progress_file() const { return out + ".part.json"; }
};

/// A bar that is written over, on a terminal; a line every ten seconds elsewhere.
class Bar {
 public:
  explicit Bar(const Context& context)
      : terminal_(isatty(STDERR_FILENO) != 0),
        silent_(context.quiet || context.json),
        begun_(SystemClock().Now()),
        next_(begun_ + Every()) {}
  ~Bar() {
    if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
  }
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;

  void Show(std::uint64_t rows, double share) {
    if (!first_) first_ = {rows, share};
    const MonotonicTime now = SystemClock().Now();
    if (silent_ || now < next_) return;
    next_ = now + Every();
    const double seconds = std::chrono::duration<double>(now - begun_).count();
    const double rate = static_cast<double>(rows - first_->first) / seconds;
    const double gone = share - first_->second;
    std::string text = std::to_string(rows) + " rows, " + std::to_string(int(share * 100)) +
                       " %, " + std::to_string(std::int64_t(rate)) + " rows/s";
    if (gone > 0) text += ", " + Span(seconds * (1 - share) / gone) + " left";
    if (terminal_) {
      const auto full = static_cast<std::size_t>(share * kWidth);
      text = "\r\x1b[K[" + std::string(full, '#') + std::string(kWidth - full, '.') + "] " + text;
      drawn_ = true;
    }
    std::cerr << text << (terminal_ ? "" : "\n") << std::flush;
  }

 private:
  static constexpr std::size_t kWidth = 30;
  [[nodiscard]] std::chrono::milliseconds Every() const {
    return std::chrono::milliseconds(terminal_ ? 250 : 10'000);
  }

  const bool terminal_, silent_;
  bool drawn_ = false;
  const MonotonicTime begun_;
  MonotonicTime next_;
  std::optional<std::pair<std::uint64_t, double>> first_;  ///< a run that goes on begins within
};

Result<std::unique_ptr<RowFile>> OpenRows(const Context& context, const PredictFlags& flags,
                                          const PredictModel& model) {
  std::ifstream file(flags.in, std::ios::binary);
  std::string signature(8, '\0');
  file.read(signature.data(), 8);
  if (signature == "\x89HDF\r\n\x1a\n" || flags.in.ends_with(".h5")) {
    return OpenHdf5Rows(context, flags.in, model.model->inputs(), flags.rows().table);
  }
  return OpenCsvRows(flags.in, model.model->inputs(), flags.rows());
}

/// What must be the same for a run to go on where another one was.
Result<BatchProgress> Identity(const PredictFlags& flags, const PredictModel& model,
                               std::size_t batch_rows) {
  BatchProgress progress;
  progress.model = flags.model;
  progress.model_version = model.version;
  progress.model_sha256 = model.sha256;
  progress.engine = model.engine;
  progress.input = flags.in;
  MUSTER_ASSIGN_OR_RETURN(const auto digest, registry::DigestFile(flags.in));
  progress.input_sha256 = digest.sha256;
  progress.skip_bad = flags.skip_bad;
  progress.options =
      wire::SerializeJson(boost::json::object{{"format", flags.json_lines() ? "jsonl" : "csv"},
                                              {"batch_rows", batch_rows},
                                              {"header", flags.header},
                                              {"inputs", wire::ToJson(flags.inputs)},
                                              {"keep_columns", wire::ToJson(flags.keep)},
                                              {"labels", flags.labels},
                                              {"outputs", wire::ToJson(flags.outputs)},
                                              {"decision", static_cast<int>(model.decision)}});
  return progress;
}

/// `now`, or how far a run that was cut off came.
Result<BatchProgress> WhereToBegin(const PredictFlags& flags, BatchProgress now) {
  std::error_code code;
  if (!flags.resume || !fs::exists(flags.out + ".part", code)) return now;
  const auto text = ReadWholeFile(flags.progress_file());
  if (!text.ok() && text.error().kind == ErrorKind::kNotFound) return now;
  if (!text.ok()) return text.error();
  auto begun = registry::BatchProgressFromJson(*text);
  if (begun.ok() && begun->rows == 0) return now;
  const Status same = begun.ok() ? registry::CanGoOn(*begun, now) : Status(begun.error());
  if (!same.ok()) {
    return Error(same.error().kind,
                 flags.progress_file().string() + ": " + same.error().message +
                     "; a run that was cut off left it and " + flags.out +
                     ".part. Make that the same to finish it, or begin anew with --no-resume");
  }
  begun->skip_bad = now.skip_bad;
  return begun;
}

/// Rows there are none of have a header all the same.
Status FinishFiles(const PredictFlags& flags, PredictWork& work) {
  if (work.out.bytes() == 0) {
    MUSTER_ASSIGN_OR_RETURN(const auto none, registry::WritePredictions(work.form, {}, {}));
    MUSTER_RETURN_IF_ERROR(work.out.Append(none.header));
  }
  if (work.bad != nullptr) MUSTER_RETURN_IF_ERROR(work.bad->Finish());
  MUSTER_RETURN_IF_ERROR(work.out.Finish());
  std::error_code code;
  fs::remove(flags.progress_file(), code);
  if (code) return IoError(flags.progress_file().string(), code.value());
  return Ok();
}

int Report(const Context& context, const PredictFlags& flags, const PredictWork& work,
           std::uint64_t begun_at) {
  const BatchProgress& done = work.progress;
  const std::uint64_t rows = done.rows - done.skipped;
  const bool judged = work.form.labels && done.classes && rows > 0;
  const double accuracy = static_cast<double>(done.correct) / static_cast<double>(rows);
  boost::json::object summary{{"rows", rows},
                              {"skipped", done.skipped},
                              {"out", flags.out},
                              {"model_version", done.model_version}};
  if (begun_at > 0) summary["resumed_at_row"] = begun_at;
  if (judged) summary["accuracy"] = accuracy;
  if (PrintJson(context, summary)) return kDone;
  std::cout << rows << " rows predicted, in " << flags.out;
  if (begun_at > 0) std::cout << ", from row " << begun_at << " on by this run";
  if (done.skipped > 0) std::cout << "; " << done.skipped << " wrong ones in " << flags.skip_bad;
  if (judged) {
    std::cout << "; " << done.correct << " agree with their label, accuracy " << Short(accuracy);
  }
  std::cout << "\n";
  return kDone;
}

Result<int> Run(const Context& context, const PredictFlags& flags) {
  MUSTER_ASSIGN_OR_RETURN(const PredictModel model,
                          OpenPredictModel(context, flags.model, flags.threads));
  const auto& first = model.model->inputs().at(0).shape;
  const std::size_t batch_rows =
      !first.empty() && first[0] > 0 ? static_cast<std::size_t>(first[0]) : flags.batch_rows;
  MUSTER_ASSIGN_OR_RETURN(const auto rows, OpenRows(context, flags, model));
  MUSTER_ASSIGN_OR_RETURN(BatchProgress now, Identity(flags, model, batch_rows));
  MUSTER_ASSIGN_OR_RETURN(BatchProgress progress, WhereToBegin(flags, std::move(now)));
  const std::uint64_t begun_at = progress.rows;
  MUSTER_RETURN_IF_ERROR(rows->GoTo({progress.rows, progress.input_bytes, progress.input_line}));
  std::error_code code;
  if (begun_at == 0) fs::remove(flags.progress_file(), code);
  MUSTER_ASSIGN_OR_RETURN(const auto out, PartFile::Open(flags.out, progress.output_bytes));
  std::unique_ptr<PartFile> bad;
  if (!flags.skip_bad.empty()) {
    MUSTER_ASSIGN_OR_RETURN(bad, PartFile::Open(flags.skip_bad, progress.skip_bad_bytes));
    if (bad->bytes() == 0) MUSTER_RETURN_IF_ERROR(bad->Append("line,why,record\n"));
  }
  const InterruptNote interrupt;
  Bar bar(context);
  PredictWork work{
      .rows = *rows,
      .model = *model.model,
      .out = *out,
      .bad = bad.get(),
      .form = {flags.json_lines(), model.decision, rows->labels(), flags.keep, flags.outputs},
      .progress = std::move(progress),
      .progress_file = flags.progress_file(),
      .batch_rows = batch_rows,
      .parallel = flags.threads > 0
                      ? flags.threads
                      : static_cast<int>(std::max(1U, std::thread::hardware_concurrency())),
      .sync_every = std::chrono::milliseconds(static_cast<int>(flags.sync_seconds * 1000)),
      .show = [&](const BatchProgress& done, double share) { bar.Show(done.rows, share); },
      .stopped = [&] { return interrupt.seen(); }};
  MUSTER_ASSIGN_OR_RETURN(const bool whole, RunPredictions(work));
  if (!whole) {
    std::cerr << "\nmuster: stopped after " << work.progress.rows
              << " rows; the same command goes on from there\n";
    return kInterrupted;
  }
  MUSTER_RETURN_IF_ERROR(FinishFiles(flags, work));
  return Report(context, flags, work, begun_at);
}

int Predict(const Context& context, const PredictFlags& flags) {
  const auto code = Run(context, flags);
  return code.ok() ? *code : Fail(context, code.error());
}

}  // namespace

void AddPredict(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("predict", "A file's rows through a model");
  auto flags = std::make_shared<PredictFlags>();
  command
      ->add_option("--model", flags->model,
                   "NAME@ALIAS, NAME/VERSION, a directory, or a model server's URL "
                   "(http://.../v2/models/NAME)")
      ->required();
  command->add_option("--in", flags->in, "CSV or HDF5 file")->required();
  command
      ->add_option(
          "--out", flags->out,
          "What is written, CSV, or JSON lines where it ends in .jsonl: row, kept columns, "
          "class, label, probability, all outputs")
      ->required();
  command
      ->add_option(
          "--inputs", flags->inputs,
          "HDF5: the dataset of the only input; CSV: the columns of its elements (default: "
          "by name, x[0], x[1], ...; else all but the label and kept columns)")
      ->delimiter(',');
  command->add_option("--labels", flags->labels, "Column or dataset of the true classes, if any")
      ->capture_default_str();
  command->add_option("--keep-columns", flags->keep, "Columns that go to the output as they are")
      ->delimiter(',');
  command->add_option("--outputs", flags->outputs, "Outputs that are written (default: all)")
      ->delimiter(',');
  command->add_option("--header", flags->header, "Whether a CSV's first line names its columns")
      ->check(CLI::IsMember({"auto", "yes", "no"}))
      ->capture_default_str();
  command->add_option(
      "--skip-bad", flags->skip_bad,
      "CSV file for rows that are wrong (line, why, record) instead of ending there");
  command->add_option("--batch-rows", flags->batch_rows, "Rows that the model gets at once")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--threads", flags->threads, "0: as many as there are cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command
      ->add_option("--sync-seconds", flags->sync_seconds,
                   "How often what is done is made safe; 0: after each batch")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->add_flag("--resume,!--no-resume", flags->resume,
                    "Go on where a run that was cut off left OUT.part (default: yes)");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Predict(context, *flags); }; });
}

}  // namespace muster::cli
