#include "trainer/torch/train_loop.h"

#include <torch/nn/module.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <iterator>

#include "runtime/base/log.h"
#include "trainer/resume.h"
#include "trainer/schedule.h"
#include "trainer/step_times.h"
#include "trainer/torch/agreement.h"
#include "trainer/torch/evaluate.h"
#include "trainer/torch/learner.h"

namespace muster::trainer {
namespace {

using wire::RecordType;

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
  Status Resume();
  Status Restore(Checkpoint& checkpoint) const;
  Result<Command> RunEpoch();
  void TrainStep(const LoadedBatch& loaded, double asked, double got);
  Result<Command> Hear();
  Status CheckLoss(double loss) const;
  Status FinishEpoch(double train_loss, double seconds);
  Status Save(bool best);
  Status SaveMidEpoch();
  Result<std::string> WriteCheckpoint(bool best);
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
};

Status TrainLoop::Prepare() {
  if (parts_.train.rows() == 0) return Invalid(parts_.train.name() + " has no rows to train on");
  if (parts_.validation != nullptr && parts_.validation->rows() == 0) {
    return Invalid(parts_.validation->name() + " has no rows to validate on");
  }
  const OptimizerSpec spec = parts_.trial.optimizer(parts_.params);
  MUSTER_RETURN_IF_ERROR(CheckSpec(spec));
  schedule_ = MakeSchedule(spec.schedule, batches(), epochs_);
  MUSTER_ASSIGN_OR_RETURN(
      learner_, Learner::Make(parts_.trial, parts_.params, parts_.gang, parts_.accelerator,
                              LearnerOptionsFrom(parts_.params, parts_.seed)));
  progress_.seed = parts_.seed;
  progress_.batch_size = static_cast<std::int64_t>(batch_size_);
  progress_.train_rows = static_cast<std::int64_t>(parts_.train.rows());
  return Ok();
}

/// The state of another optimizer, as a clone's donor may have had, is of no use: this one's begins anew.
Status TrainLoop::Restore(Checkpoint& checkpoint) const {
  if (parts_.cloned) {
    MUSTER_RETURN_IF_ERROR(TakeOver(checkpoint, progress_, parts_.params, batches()));
    const auto stored = [&](const auto& entry) {
      return std::ranges::any_of(checkpoint.tensors, [&](const StoredTensor& tensor) {
        return tensor.name == entry.first;
      });
    };
    const NamedTensors own = learner_->OptimizerTensors();
    const auto of_optimizer = [](const StoredTensor& tensor) {
      return GroupOf(tensor.name) == "optimizer";
    };
    if (!std::ranges::all_of(own, stored) ||
        std::ranges::count_if(checkpoint.tensors, of_optimizer) != std::ssize(own)) {
      std::erase_if(checkpoint.tensors, of_optimizer);
      MUSTER_ASSIGN_OR_RETURN(auto fresh, StoreTensors(own));
      std::ranges::move(fresh, std::back_inserter(checkpoint.tensors));
    }
  }
  MUSTER_RETURN_IF_ERROR(CheckSame(checkpoint, progress_, parts_.params));
  return LoadTensors(checkpoint.tensors, learner_->AllTensors());
}

Status TrainLoop::Resume() {
  std::string encoded;
  Status status;
  if (parts_.gang.first() && parts_.checkpoints != nullptr) {
    auto latest = parts_.checkpoints->LoadLatest();
    if (!latest.ok()) {
      status = latest.error();
    } else if (*latest) {
      status = Restore(**latest);
      encoded = EncodeProgress((*latest)->progress);
    }
  }
  MUSTER_RETURN_IF_ERROR(parts_.gang.Share(status));
  encoded = parts_.gang.Broadcast(std::move(encoded));
  if (encoded.empty()) return Ok();
  MUSTER_ASSIGN_OR_RETURN(progress_, DecodeProgress(encoded));
  learner_->set_loss_sum(parts_.gang.first() ? progress_.loss_sum : 0);
  std::vector<at::Tensor> tensors;
  for (auto& [name, tensor] : learner_->AllTensors()) tensors.push_back(tensor);
  parts_.gang.Broadcast(tensors);
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

/// On rank 0; the path.
Result<std::string> TrainLoop::WriteCheckpoint(bool best) {
  MUSTER_ASSIGN_OR_RETURN(auto tensors, StoreTensors(learner_->AllTensors()));
  Checkpoint checkpoint{.progress = progress_,
                        .metadata = {{"program", parts_.trial.name()}},
                        .tensors = std::move(tensors)};
  checkpoint.metadata["params"] = boost::json::serialize(parts_.params.ToJson());
  // The next attempt goes on after this checkpoint and never says again what came before it.
  MUSTER_RETURN_IF_ERROR(parts_.control.Flush());
  return parts_.checkpoints->Save(checkpoint, best);
}

Status TrainLoop::Save(bool best) {
  // Also where only rank 0 has a folder: the others hear whether it went well.
  Status status;
  Beat("save");
  if (parts_.gang.first() && parts_.checkpoints != nullptr) {
    const auto path = WriteCheckpoint(best);
    if (path.ok()) {
      saved_path_ = *path;
      saved_best_ = progress_.best;
      // Within an epoch there are no metrics: those of the last one were said when it ended.
      status = Send(
          {.type = RecordType::kCheckpoint,
           .step = progress_.epoch,
           .metrics = progress_.batch == 0 ? progress_.metrics : std::map<std::string, double>(),
           .path = *path});
    } else if (path.error().kind == ErrorKind::kResource) {
      // The older checkpoint is whole, and the next save may find room. What was not saved is not the
      // best: the next one that beats the saved best is.
      progress_.best = saved_best_;
      LogWarning("trainer", path.error().message + "; training goes on without this checkpoint");
    } else {
      status = path.error();
    }
  }
  Beat("saved");  // the others wait there for rank 0
  return parts_.gang.Share(status);
}

void TrainLoop::TrainStep(const LoadedBatch& loaded, double asked, double got) {
  double reduced_at = Seconds();  // this rank's own gradients were there
  double stepped_at = reduced_at;
  learner_->Step(loaded, progress_.step, LearningRate(schedule_, progress_.step),
                 [&](const char* phase) {
                   Beat(phase);
                   if (std::string_view(phase) == "reduce") reduced_at = Seconds();
                   if (std::string_view(phase) == "step") stepped_at = Seconds();
                 });
  ++progress_.step;
  ++progress_.batch;
  times_.Add({.load = got - asked,
              .wait = std::max(0.0, stepped_at - reduced_at),
              .all = Seconds() - asked,
              .rows = loaded.batch.rows()});
}

double TrainLoop::LossOfAllRanks() const {
  std::vector<double> loss{learner_->loss_sum()};
  parts_.gang.Sum(loss);
  return loss[0];
}

Status TrainLoop::CheckLoss(double loss) const {
  if (std::isfinite(loss)) return Ok();
  return Invalid("the loss is " + std::string(std::isnan(loss) ? "nan" : "infinite") + " at step " +
                 std::to_string(progress_.step) + ", in epoch " +
                 std::to_string(progress_.epoch + 1) +
                 ": these parameters (learning rate, precision) make training diverge");
}

/// The command; an error where some rank's loss is no number any more.
Result<Command> TrainLoop::Hear() {
  Beat("agree");
  const auto heard = agreement_.Agree(!std::isfinite(learner_->loss_sum()));
  if (heard.tell) SendTelemetry();
  if (heard.failed) return CheckLoss(LossOfAllRanks()).error();
  return heard.command;
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
  MUSTER_RETURN_IF_ERROR(CheckLoss(loss));
  MUSTER_RETURN_IF_ERROR(
      FinishEpoch(loss / static_cast<double>(parts_.train.rows()), Seconds() - start));
  agreement_.Restart();  // validation and saving are in the time
  return Hear();
}

Status TrainLoop::SaveMidEpoch() {
  const double loss = LossOfAllRanks();
  MUSTER_RETURN_IF_ERROR(CheckLoss(loss));
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
    MUSTER_ASSIGN_OR_RETURN(const auto means,
                            EvaluateSource(parts_.trial, learner_->module(), *parts_.validation,
                                           parts_.gang, parts_.accelerator, learner_->precision()));
    for (const auto& [name, mean] : means) progress_.metrics["validation/" + name] = mean;
  }
  seconds += Seconds() - start;
  progress_.metrics["seconds"] = seconds;
  progress_.seconds += seconds;
  progress_.loss_sum = 0;
  learner_->set_loss_sum(0);
  progress_.batch = 0;
  ++progress_.epoch;
  MUSTER_RETURN_IF_ERROR(parts_.gang.Share(
      Send({.type = RecordType::kMetric, .step = progress_.epoch, .metrics = progress_.metrics})));
  const bool best = IsBest();
  return Save(best);
}

Result<LoopEnd> TrainLoop::Run() {
  MUSTER_RETURN_IF_ERROR(Prepare());
  MUSTER_RETURN_IF_ERROR(Resume());
  LoopEnd end{.module = learner_->shared_module()};
  while (progress_.epoch < epochs_ && end.why != LoopEnd::Why::kStopped) {
    MUSTER_ASSIGN_OR_RETURN(const Command command, RunEpoch());
    if (command == Command::kStop && progress_.epoch < epochs_) end.why = LoopEnd::Why::kStopped;
  }
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
