#include "trainer/torch/train_loop.h"

#include <torch/nn/module.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <iterator>

#include "runtime/base/log.h"
#include "trainer/column_check.h"
#include "trainer/resume.h"
#include "trainer/schedule.h"
#include "trainer/step_times.h"
#include "trainer/torch/agreement.h"
#include "trainer/torch/background_saver.h"
#include "trainer/torch/evaluate.h"
#include "trainer/torch/learner.h"

namespace muster::trainer {
namespace {

using wire::RecordType;

std::vector<ColumnSpec> WantedColumns(const DataSpec& data) {
  std::vector<ColumnSpec> wanted;
  for (const std::string& name : data.columns()) {
    ColumnSpec column{.name = name, .any_shape = true};
    if (name == data.inputs && data.input_shape) {
      column.row_shape = *data.input_shape;
      column.any_shape = false;
    }
    if (name == data.labels && data.classes > 0) {
      column.types = {ElementType::kU8, ElementType::kI32, ElementType::kI64};
      column.low = 0;
      column.high = static_cast<double>(data.classes - 1);
    }
    wanted.push_back(std::move(column));
  }
  return wanted;
}

Facts FactsOf(const LoopParts& parts) {
  Facts facts = ParamFacts(parts.params, parts.seed);
  std::ranges::move(SourceFacts("training", parts.train), std::back_inserter(facts));
  if (parts.validation != nullptr) {
    std::ranges::move(SourceFacts("validation", *parts.validation), std::back_inserter(facts));
  }
  return facts;
}

class TrainLoop {
 public:
  explicit TrainLoop(const LoopParts& parts)
      : parts_(parts),
        epochs_(parts.params.Int("epochs")),
        batch_size_(static_cast<std::uint64_t>(parts.params.Int("batch_size"))),
        agreement_(
            parts.gang, parts.control, parts.clock,
            {.most_steps = parts.agree_every, .telemetry_seconds = parts.telemetry_seconds}) {}

  Result<LoopEnd> Run();

 private:
  Status Prepare();
  Status CheckData() const;
  Status Resume();
  Status Restore(Checkpoint& checkpoint) const;
  Result<Command> RunEpoch();
  void TrainStep(const LoadedBatch& loaded, double asked, double got);
  Result<Command> Hear();
  Status LossError() const;
  Status FinishEpoch(double train_loss, double seconds);
  Status Save(bool best);
  Status SaveMidEpoch();
  Status ReadyToSave() const;
  Status BeginSave(bool best);
  Status Saved(const std::optional<BackgroundSaver::Saved>& saved);
  Status WaitForSave();
  [[nodiscard]] bool IsBest();
  [[nodiscard]] double LossOfAllRanks() const;
  Status Send(wire::TrialRecord record) const;
  void SendTelemetry();
  void Beat(const char* phase) const {
    parts_.control.Beat({.step = progress_.step, .total = schedule_.total_steps, .phase = phase});
  }
  [[nodiscard]] std::int64_t batches() const {
    return static_cast<std::int64_t>(BatchCount(CurrentEpoch(), batch_size_));
  }
  [[nodiscard]] Epoch CurrentEpoch() const {
    return {.seed = static_cast<std::uint64_t>(parts_.seed),
            .number = static_cast<std::uint64_t>(progress_.epoch),
            .rows = parts_.train.rows()};
  }
  [[nodiscard]] double Seconds() const {
    return std::chrono::duration<double>(parts_.clock.Now().time_since_epoch()).count();
  }

  const LoopParts& parts_;
  const std::int64_t epochs_;
  const std::uint64_t batch_size_;
  Agreement agreement_;
  Schedule schedule_;
  Progress progress_;
  std::string saved_path_;            ///< of the last save
  std::optional<double> saved_best_;  ///< progress_.best as the last save has it
  StepTimes times_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<BackgroundSaver> saver_;  ///< on rank 0, where anything is saved
  Status save_error_;                       ///< of a save in the background; rank 0's
};

Status TrainLoop::CheckData() const {
  const auto wanted = WantedColumns(parts_.trial.data());
  for (const RowSource* source : {&parts_.train, parts_.validation}) {
    if (source == nullptr) continue;
    if (source->rows() == 0) return Invalid(source->name() + " has no rows");
    const auto checked = CheckColumns(*source, wanted);
    if (!checked.ok()) return checked.error();
  }
  return Ok();
}

Status TrainLoop::Prepare() {
  MUSTER_RETURN_IF_ERROR(parts_.gang.CheckSame(FactsOf(parts_)));
  const std::int64_t ranks = parts_.gang.rank().world_size;
  if (static_cast<std::int64_t>(batch_size_) < ranks) {
    return Invalid("batch_size is " + std::to_string(batch_size_) +
                   ": wanted a row or more for each of " + std::to_string(ranks) + " ranks");
  }
  const OptimizerSpec spec = parts_.trial.optimizer(parts_.params);
  MUSTER_RETURN_IF_ERROR(CheckSpec(spec));
  MUSTER_ASSIGN_OR_RETURN(
      learner_, Learner::Make(parts_.trial, parts_.params, parts_.gang, parts_.accelerator,
                              LearnerOptionsFrom(parts_.params, parts_.seed)));
  if (parts_.gang.first() && parts_.checkpoints != nullptr) {
    saver_ = std::make_unique<BackgroundSaver>(*parts_.checkpoints);
  }
  MUSTER_RETURN_IF_ERROR(CheckData());  // after Build, when the trial knows its classes
  schedule_ = MakeSchedule(spec.schedule, batches(), epochs_);
  progress_.seed = parts_.seed;
  progress_.batch_size = static_cast<std::int64_t>(batch_size_);
  progress_.train_rows = static_cast<std::int64_t>(parts_.train.rows());
  return Ok();
}

/// The state of another optimizer, as a clone's donor may have had, is of no use: this one's begins anew, and averages
/// begin as the weights that it was made with.
Status TrainLoop::Restore(Checkpoint& checkpoint) const {
  NamedTensors wanted = learner_->AllTensors();
  std::ranges::move(Wholes(learner_->shards()), std::back_inserter(wanted));
  if (parts_.cloned) {
    MUSTER_RETURN_IF_ERROR(TakeOver(checkpoint, progress_, parts_.params, batches()));
    const auto stored = [&](const auto& entry) {
      return std::ranges::any_of(checkpoint.tensors, [&](const StoredTensor& tensor) {
        return tensor.name == entry.first;
      });
    };
    if (!std::ranges::all_of(wanted, stored) || checkpoint.tensors.size() != wanted.size()) {
      std::erase_if(checkpoint.tensors,
                    [](const StoredTensor& tensor) { return GroupOf(tensor.name) != "model"; });
      wanted = ModelTensors(learner_->module());
    }
  }
  MUSTER_RETURN_IF_ERROR(CheckSame(checkpoint, progress_, parts_.params));
  return LoadTensors(checkpoint.tensors, wanted);
}

Status TrainLoop::Resume() {
  std::string encoded;
  std::vector<StoredTensor> stored;
  Status status;
  if (parts_.gang.first() && parts_.checkpoints != nullptr) {
    auto latest = parts_.checkpoints->LoadLatest();
    if (!latest.ok()) {
      status = latest.error();
    } else if (*latest) {
      status = Restore(**latest);
      encoded = EncodeProgress((*latest)->progress);
      stored = std::move((*latest)->tensors);
    }
  }
  MUSTER_RETURN_IF_ERROR(parts_.gang.Share(status));
  encoded = parts_.gang.Broadcast(std::move(encoded));
  if (encoded.empty()) return Ok();
  MUSTER_ASSIGN_OR_RETURN(progress_, DecodeProgress(encoded));
  learner_->set_loss_sum(parts_.gang.first() ? progress_.loss_sum : 0);
  learner_->Resumed(progress_.step);
  std::vector<at::Tensor> tensors;
  for (auto& [name, tensor] : learner_->AllTensors()) tensors.push_back(tensor);
  parts_.gang.Broadcast(tensors);
  Scatter(stored, learner_->shards(), parts_.gang);
  saved_best_ = progress_.best;
  if (parts_.gang.first()) saved_path_ = parts_.checkpoints->best_path();
  return parts_.gang.Share(Send({.type = RecordType::kResumed, .step = progress_.epoch}));
}

Status TrainLoop::Send(wire::TrialRecord record) const {
  if (!parts_.gang.first()) return Ok();
  record.total_steps = epochs_;
  record.timestamp_ms = parts_.clock.UnixNow();
  return parts_.control.Send(record);
}

void TrainLoop::SendTelemetry() {
  auto metrics = times_.Take();
  if (metrics.empty()) return;
  if (const auto rate = metrics.find("samples_per_second"); rate != metrics.end()) {
    const auto tokens = static_cast<double>(parts_.trial.tokens_per_row());
    if (tokens > 0) metrics["tokens_per_second"] = rate->second * tokens;
    const double peak = parts_.accelerator.peak_flops(learner_->precision());
    const double flops = parts_.trial.flops_per_row();
    if (peak > 0 && flops > 0) metrics["mfu"] = rate->second * flops / peak;
  }
  if (const auto bytes = parts_.accelerator.peak_bytes(); bytes > 0) {
    metrics["device_peak_bytes"] = static_cast<double>(bytes);
  }
  (void)parts_.control.Send({.type = RecordType::kProgress,
                             .step = progress_.step,
                             .timestamp_ms = parts_.clock.UnixNow(),
                             .metrics = std::move(metrics),
                             .rank = parts_.gang.rank().rank});
}

/// On rank 0, so that nothing fails while the other ranks send it their shards.
Status TrainLoop::ReadyToSave() const {
  for (const auto& [name, tensor] : learner_->AllTensors()) {
    const auto type = StoredType(name, tensor.scalar_type());
    if (!type.ok()) return type.error();
  }
  // The next attempt goes on after this checkpoint and never says again what came before it.
  return parts_.control.Flush();
}

/// On rank 0.
Status TrainLoop::BeginSave(bool best) {
  std::map<std::string, std::string> metadata = parts_.origin;
  metadata["program"] = parts_.trial.name();
  metadata["params"] = boost::json::serialize(parts_.params.ToJson());
  return saver_->Begin(progress_, std::move(metadata), learner_->AllTensors(), best,
                       Gathered(learner_->shards(), parts_.gang));
}

/// What came of a save, on rank 0.
Status TrainLoop::Saved(const std::optional<BackgroundSaver::Saved>& saved) {
  if (!saved) return Ok();
  if (saved->path.ok()) {
    saved_path_ = *saved->path;
    saved_best_ = saved->progress.best;
    // Within an epoch there are no metrics: those of the last one were said when it ended.
    return Send({.type = RecordType::kCheckpoint,
                 .step = saved->progress.epoch,
                 .metrics = saved->progress.batch == 0 ? saved->progress.metrics
                                                       : std::map<std::string, double>(),
                 .path = *saved->path});
  }
  if (saved->path.error().kind != ErrorKind::kResource) return saved->path.error();
  // The older checkpoint is whole, and the next save may find room. What was not saved is not the best: the next one
  // that beats the saved best is.
  progress_.best = saved_best_;
  LogWarning("trainer", saved->path.error().message + "; training goes on without this checkpoint");
  return Ok();
}

/// All ranks: until nothing is being saved.
Status TrainLoop::WaitForSave() {
  if (saver_ && save_error_.ok()) save_error_ = Saved(saver_->Wait());
  return parts_.gang.Share(save_error_);
}

/// All ranks, also where only rank 0 has a folder: the others hear whether it went well.
Status TrainLoop::Save(bool best) {
  Beat("save");
  MUSTER_RETURN_IF_ERROR(parts_.gang.Share(saver_ ? ReadyToSave() : Ok()));
  const bool saves = !parts_.gang.Broadcast(std::string(saver_ ? "yes" : "")).empty();
  const Status begun = saver_ ? BeginSave(best) : Ok();
  if (!saver_ && saves) {
    for (const GatheredTensor& tensor : Gathered(learner_->shards(), parts_.gang)) tensor.fill({});
  }
  Beat("saved");  // the others wait there for rank 0
  return parts_.gang.Share(begun);
}

void TrainLoop::TrainStep(const LoadedBatch& loaded, double asked, double got) {
  // When each phase began; one that a replayed graph leaves out takes no time.
  double backward = 0;
  double reduce = 0;  // this rank's own gradients are there
  double step = 0;
  learner_->Step(loaded, progress_.step, LearningRate(schedule_, progress_.step),
                 [&](std::string_view phase) {
                   Beat(phase.data());
                   if (phase == "backward") backward = Seconds();
                   if (phase == "reduce") reduce = Seconds();
                   if (phase == "step") step = Seconds();
                 });
  const double end = Seconds();
  if (step == 0) backward = reduce = step = end;
  ++progress_.step;
  ++progress_.batch;
  times_.Add({.load = got - asked,
              .forward = backward - got,
              .backward = reduce - backward,
              .wait = step - reduce,
              .all = end - asked,
              .rows = loaded.batch.rows()});
}

double TrainLoop::LossOfAllRanks() const {
  std::vector<double> loss{learner_->loss_sum()};
  parts_.gang.Sum(loss);
  return loss[0];
}

/// Of a loss that some rank found to be no number.
Status TrainLoop::LossError() const {
  const auto bad = learner_->bad_loss();
  if (!bad) return Invalid("another rank's loss is no finite number any more");
  return Diverged(*bad, LearningRate(schedule_, bad->step), parts_.params.Text("precision"));
}

/// The command; an error where some rank's loss is no number any more, or a checkpoint could not be saved.
Result<Command> TrainLoop::Hear() {
  Beat("agree");
  if (saver_ && save_error_.ok()) save_error_ = Saved(saver_->Poll());
  const auto heard = agreement_.Agree(!save_error_.ok() || !std::isfinite(learner_->loss_sum()));
  if (heard.tell) SendTelemetry();
  if (!heard.failed) return heard.command;
  MUSTER_RETURN_IF_ERROR(parts_.gang.Share(save_error_));
  return LossError().error();
}

Result<Command> TrainLoop::RunEpoch() {
  const double start = Seconds();
  agreement_.Restart();
  learner_->module().train();
  MUSTER_ASSIGN_OR_RETURN(
      auto loader,
      BatchLoader::Start(parts_.train, {.columns = parts_.trial.data().columns(),
                                        .epoch = CurrentEpoch(),
                                        .batch_size = batch_size_,
                                        .first_batch = static_cast<std::uint64_t>(progress_.batch),
                                        .rank = parts_.gang.rank(),
                                        .threads = parts_.loader_threads,
                                        .accelerator = &parts_.accelerator}));
  for (;;) {
    Beat("load");
    const double asked = Seconds();
    MUSTER_ASSIGN_OR_RETURN(const auto loaded, loader->Next());
    if (!loaded) break;
    TrainStep(*loaded, asked, Seconds());
    // At the end of an epoch the agreement follows its checkpoint.
    if (!agreement_.Due() || progress_.batch == batches()) continue;
    MUSTER_ASSIGN_OR_RETURN(const Command command, Hear());
    if (command == Command::kNone) continue;
    MUSTER_RETURN_IF_ERROR(SaveMidEpoch());
    if (command == Command::kStop) return Command::kStop;
  }
  const double loss = LossOfAllRanks();
  if (!std::isfinite(loss)) return LossError().error();
  MUSTER_RETURN_IF_ERROR(
      FinishEpoch(loss / static_cast<double>(parts_.train.rows()), Seconds() - start));
  agreement_.Restart();  // validation and saving are in the time
  return Hear();
}

Status TrainLoop::SaveMidEpoch() {
  MUSTER_RETURN_IF_ERROR(WaitForSave());
  const double loss = LossOfAllRanks();
  if (!std::isfinite(loss)) return LossError();
  progress_.loss_sum = loss;
  learner_->set_loss_sum(parts_.gang.first() ? loss : 0);
  return Save(/*best=*/false);
}

bool TrainLoop::IsBest() {
  const auto found = progress_.metrics.find(parts_.best_metric);
  if (found == progress_.metrics.end()) return true;
  const double value = found->second;
  if (std::isnan(value)) return false;
  const bool better =
      !progress_.best || (parts_.maximize ? value > *progress_.best : value < *progress_.best);
  if (better) progress_.best = value;
  return better;
}

Status TrainLoop::FinishEpoch(double train_loss, double seconds) {
  const double start = Seconds();
  progress_.metrics = {{"train/loss", train_loss}};
  if (parts_.validation != nullptr) {
    Beat("validate");
    learner_->SwapAverages();
    MUSTER_ASSIGN_OR_RETURN(const auto means,
                            EvaluateSource(parts_.trial, learner_->module(), *parts_.validation,
                                           parts_.gang, parts_.accelerator, learner_->precision()));
    learner_->SwapAverages();
    for (const auto& [name, mean] : means) progress_.metrics["validation/" + name] = mean;
  }
  seconds += Seconds() - start;
  progress_.metrics["seconds"] = seconds;
  progress_.seconds += seconds;
  progress_.loss_sum = 0;
  learner_->set_loss_sum(0);
  progress_.batch = 0;
  ++progress_.epoch;
  // The records of an epoch come together; and what is best is held against what was saved.
  MUSTER_RETURN_IF_ERROR(WaitForSave());
  MUSTER_RETURN_IF_ERROR(parts_.gang.Share(
      Send({.type = RecordType::kMetric, .step = progress_.epoch, .metrics = progress_.metrics})));
  return Save(IsBest());
}

Result<LoopEnd> TrainLoop::Run() {
  MUSTER_RETURN_IF_ERROR(Prepare());
  MUSTER_RETURN_IF_ERROR(Resume());
  if (saver_) saver_->Reserve(learner_->AllTensors(), Gathered(learner_->shards(), parts_.gang));
  LoopEnd end{.module = learner_->shared_module()};
  while (progress_.epoch < epochs_ && end.why != LoopEnd::Why::kStopped) {
    MUSTER_ASSIGN_OR_RETURN(const Command command, RunEpoch());
    if (command == Command::kStop && progress_.epoch < epochs_) end.why = LoopEnd::Why::kStopped;
  }
  MUSTER_RETURN_IF_ERROR(WaitForSave());
  SendTelemetry();
  end.progress = progress_;
  if (parts_.gang.first() && parts_.checkpoints != nullptr) {
    end.best_path = parts_.checkpoints->best_path();
    if (end.best_path.empty()) end.best_path = saved_path_;
  }
  Status said;
  if (end.why == LoopEnd::Why::kFinished) {
    said = Send({.type = RecordType::kResult,
                 .step = progress_.epoch,
                 .metrics = progress_.metrics,
                 .path = end.best_path});
  }
  if (said.ok() && parts_.gang.first()) said = parts_.control.Flush();
  MUSTER_RETURN_IF_ERROR(parts_.gang.Share(said));
  return end;
}

}  // namespace

Result<LoopEnd> RunTrainLoop(const LoopParts& parts) {
  try {
    return TrainLoop(parts).Run();
  } catch (const c10::Error& error) {
    return Internal(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return Internal(error.what());
  }
}

}  // namespace muster::trainer
