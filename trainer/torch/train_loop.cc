#include "trainer/torch/train_loop.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <iterator>

#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "trainer/schedule.h"
#include "trainer/step_times.h"
#include "trainer/torch/batch_loader.h"
#include "trainer/torch/data_parallel.h"
#include "trainer/torch/model_state.h"
#include "trainer/torch/optimizer.h"

namespace muster::trainer {
namespace {

using wire::RecordType;

constexpr double kAgreeSeconds = 1;

class TrainLoop {
 public:
  explicit TrainLoop(const LoopParts& parts)
      : parts_(parts),
        epochs_(parts.params.Int("epochs")),
        batch_size_(static_cast<std::uint64_t>(parts.params.Int("batch_size"))) {}

  Result<LoopEnd> Run();

 private:
  Status Prepare();
  Status Resume();
  Status CheckSame(const Checkpoint& saved) const;
  Status RestoreTensors(const Checkpoint& checkpoint) const;
  Status TakeOver(Checkpoint& donors) const;
  Result<Command> RunEpoch();
  void TrainStep(const LoadedBatch& loaded);
  Status FinishEpoch(double train_loss, double seconds);
  Status Save(bool best);
  Status SaveMidEpoch();
  [[nodiscard]] bool IsBest();
  [[nodiscard]] Command Agree();
  [[nodiscard]] std::int64_t NextInterval() const;
  Status Send(wire::TrialRecord record) const;
  void SendTelemetry();
  void Beat(const char* phase) const {
    parts_.control.Beat({.step = progress_.step, .total = schedule_.total_steps, .phase = phase});
  }
  [[nodiscard]] NamedTensors OptimizerTensors() const;
  [[nodiscard]] NamedTensors AllTensors() const;
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
  Schedule schedule_;
  Progress progress_;
  std::string saved_path_;            ///< of the last save
  std::optional<double> saved_best_;  ///< progress_.best as the last save has it
  std::int64_t interval_ = 1;     ///< steps from one agreement to the next; the same on all ranks
  std::int64_t steps_since_ = 0;  ///< the last agreement
  double agreed_at_ = 0;
  double told_at_ = 0;     ///< the last telemetry; rank 0's counts
  double reduced_at_ = 0;  ///< this rank's own gradients of the step were there
  double waited_ = 0;      ///< seconds of the step for those of the others
  StepTimes times_;
  std::shared_ptr<torch::nn::Module> module_;
  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> buffers_;
  std::unique_ptr<DataParallel> data_parallel_;
  std::unique_ptr<Optimizer> optimizer_;
};

Status TrainLoop::Prepare() {
  if (parts_.train.rows() == 0) return Invalid(parts_.train.name() + " has no rows to train on");
  if (parts_.validation != nullptr && parts_.validation->rows() == 0) {
    return Invalid(parts_.validation->name() + " has no rows to validate on");
  }
  at::manual_seed(static_cast<std::uint64_t>(parts_.seed));
  module_ = parts_.trial.Build(parts_.params);
  for (const at::Tensor& parameter : module_->parameters()) {
    // Tied weights come once under each of their names; they are one parameter all the same.
    const bool known = std::ranges::any_of(
        parameters_, [&](const at::Tensor& other) { return other.is_same(parameter); });
    if (parameter.requires_grad() && !known) parameters_.push_back(parameter);
  }
  buffers_ = module_->buffers();
  if (parameters_.empty()) return Invalid("the trial's module has no parameter to train");
  data_parallel_ = std::make_unique<DataParallel>(parameters_, parts_.gang);
  optimizer_ = MakeOptimizer(parameters_, parts_.trial.optimizer(parts_.params));

  const auto batches = static_cast<std::int64_t>(BatchCount(CurrentEpoch(), batch_size_));
  MUSTER_ASSIGN_OR_RETURN(schedule_.kind, ScheduleKindFromName(parts_.params.Text("schedule")));
  schedule_.peak = parts_.params.Float("lr");
  schedule_.total_steps = batches * epochs_;
  schedule_.warmup_steps =
      std::llround(parts_.params.Float("warmup_epochs") * static_cast<double>(batches));
  schedule_.step_every = std::max<std::int64_t>(1, schedule_.total_steps / 3);
  progress_.seed = parts_.seed;
  progress_.batch_size = static_cast<std::int64_t>(batch_size_);
  progress_.train_rows = static_cast<std::int64_t>(parts_.train.rows());
  return Ok();
}

NamedTensors TrainLoop::OptimizerTensors() const {
  NamedTensors tensors;
  for (auto& [name, tensor] : optimizer_->State())
    tensors.emplace_back("optimizer." + name, tensor);
  return tensors;
}

NamedTensors TrainLoop::AllTensors() const {
  NamedTensors tensors = ModelTensors(*module_);
  std::ranges::move(OptimizerTensors(), std::back_inserter(tensors));
  return tensors;
}

Status TrainLoop::CheckSame(const Checkpoint& saved) const {
  const auto same = [](std::string_view what, const std::string& was,
                       const std::string& is) -> Status {
    if (was == is) return Ok();
    return Conflict("the checkpoint was made with " + std::string(what) + " " + was +
                    ", this trial has " + is + "; use another checkpoint folder");
  };
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  const Progress& was = saved.progress;
  MUSTER_RETURN_IF_ERROR(same("seed", number(was.seed), number(progress_.seed)));
  MUSTER_RETURN_IF_ERROR(same("batch_size", number(was.batch_size), number(progress_.batch_size)));
  MUSTER_RETURN_IF_ERROR(
      same("training rows", number(was.train_rows), number(progress_.train_rows)));
  const auto text = saved.metadata.find("params");
  if (text == saved.metadata.end()) return Ok();
  boost::system::error_code error;
  const auto params = boost::json::parse(text->second, error);
  if (error || !params.is_object()) {
    return Corrupt("the checkpoint's parameters are no JSON object: " + text->second);
  }
  // A parameter that the program had not then, or has no more, says nothing.
  for (const auto& [name, value] : parts_.params.ToJson()) {
    const auto* before = params.get_object().if_contains(name);
    if (before == nullptr) continue;
    MUSTER_RETURN_IF_ERROR(
        same(name, boost::json::serialize(*before), boost::json::serialize(value)));
  }
  return Ok();
}

Status TrainLoop::RestoreTensors(const Checkpoint& checkpoint) const {
  MUSTER_RETURN_IF_ERROR(CheckSame(checkpoint));
  return LoadTensors(checkpoint.tensors, AllTensors());
}

/// Makes what another trial saved, with other parameters, into what this one could have saved.
Status TrainLoop::TakeOver(Checkpoint& donors) const {
  Progress& progress = donors.progress;
  if (progress.batch_size != progress_.batch_size) {
    if (progress.batch != 0) {
      return Conflict("the donor's checkpoint is within an epoch of batches of " +
                      std::to_string(progress.batch_size) + " rows; with batches of " +
                      std::to_string(progress_.batch_size) + " it cannot be gone on from");
    }
    progress.batch_size = progress_.batch_size;
    progress.step = progress.epoch * (schedule_.total_steps / epochs_);
  }
  progress.seed = progress_.seed;
  donors.metadata["params"] = boost::json::serialize(parts_.params.ToJson());
  // The state of another optimizer is of no use: this one's begins anew.
  const auto own = optimizer_->State();
  const bool same = std::ranges::all_of(own, [&](const auto& entry) {
    return std::ranges::any_of(donors.tensors, [&](const StoredTensor& tensor) {
      return tensor.name == "optimizer." + entry.first;
    });
  });
  if (same) return Ok();
  MUSTER_ASSIGN_OR_RETURN(auto fresh, StoreTensors(OptimizerTensors()));
  std::ranges::move(fresh, std::back_inserter(donors.tensors));
  return Ok();
}

Status TrainLoop::Resume() {
  std::string encoded;
  Status status;
  if (parts_.gang.first() && parts_.checkpoints != nullptr) {
    auto latest = parts_.checkpoints->LoadLatest();
    if (!latest.ok()) {
      status = latest.error();
    } else if (*latest) {
      if (parts_.cloned) status = TakeOver(**latest);
      if (status.ok()) status = RestoreTensors(**latest);
      encoded = EncodeProgress((*latest)->progress);
    }
  }
  MUSTER_RETURN_IF_ERROR(parts_.gang.Share(status));
  encoded = parts_.gang.Broadcast(std::move(encoded));
  if (encoded.empty()) return Ok();
  MUSTER_ASSIGN_OR_RETURN(progress_, DecodeProgress(encoded));
  if (!parts_.gang.first()) progress_.loss_sum = 0;  // it is rank 0's from here on
  std::vector<at::Tensor> tensors;
  for (auto& [name, tensor] : AllTensors()) tensors.push_back(tensor);
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
  told_at_ = Seconds();
  if (parts_.gang.alone()) return;
  const auto metrics = times_.Take();
  if (metrics.empty()) return;
  (void)parts_.control.Send({.type = RecordType::kProgress,
                             .step = progress_.step,
                             .timestamp_ms = parts_.clock.UnixNow(),
                             .metrics = metrics,
                             .rank = parts_.gang.rank().rank});
}

Command TrainLoop::Agree() {
  Beat("agree");
  const Command heard = parts_.control.Poll();
  // One message: whether any rank has heard a command, rank 0's interval, and whether it is time for telemetry.
  const bool tell = Seconds() - told_at_ >= parts_.telemetry_seconds;
  std::vector<double> said{heard == Command::kStop ? 1.0 : 0.0,
                           heard == Command::kCheckpoint ? 1.0 : 0.0,
                           parts_.gang.first() ? static_cast<double>(NextInterval()) : 0.0,
                           parts_.gang.first() && tell ? 1.0 : 0.0};
  parts_.gang.Sum(said);
  interval_ = static_cast<std::int64_t>(said[2]);
  steps_since_ = 0;
  agreed_at_ = Seconds();
  if (said[3] > 0) SendTelemetry();
  if (said[0] > 0) return Command::kStop;
  return said[1] > 0 ? Command::kCheckpoint : Command::kNone;
}

std::int64_t TrainLoop::NextInterval() const {
  if (steps_since_ == 0) return interval_;
  const double step = (Seconds() - agreed_at_) / static_cast<double>(steps_since_);
  const auto most = static_cast<double>(parts_.agree_every);
  return step > 0 ? static_cast<std::int64_t>(std::clamp(kAgreeSeconds / step, 1.0, most))
                  : parts_.agree_every;
}

Status TrainLoop::Save(bool best) {
  // Also where only rank 0 has a folder: the others hear whether it went well.
  Status status;
  Beat("save");
  if (parts_.gang.first() && parts_.checkpoints != nullptr) {
    auto tensors = StoreTensors(AllTensors());
    if (tensors.ok()) {
      Checkpoint checkpoint{.progress = progress_,
                            .metadata = {{"program", parts_.trial.name()}},
                            .tensors = std::move(tensors).value()};
      checkpoint.metadata["params"] = boost::json::serialize(parts_.params.ToJson());
      // Within an epoch there are none: those of the last one were said when it ended.
      const auto metrics =
          progress_.batch == 0 ? progress_.metrics : std::map<std::string, double>();
      // The next attempt goes on after this checkpoint and never says again what came before it.
      const Status said = parts_.control.Flush();
      auto path = said.ok() ? parts_.checkpoints->Save(checkpoint, best) : said.error();
      if (path.ok()) {
        saved_path_ = *path;
        saved_best_ = progress_.best;
        status = Send({.type = RecordType::kCheckpoint,
                       .step = progress_.epoch,
                       .metrics = metrics,
                       .path = *path});
      } else if (path.error().kind == ErrorKind::kResource) {
        // The older checkpoint is whole, and the next save may find room. What was not saved is not the
        // best: the next one that beats the saved best is.
        progress_.best = saved_best_;
        LogWarning("trainer", path.error().message + "; training goes on without this checkpoint");
      } else {
        status = path.error();
      }
    } else {
      status = tensors.error();
    }
  }
  Beat("saved");  // the others wait there for rank 0
  return parts_.gang.Share(status);
}

void TrainLoop::TrainStep(const LoadedBatch& loaded) {
  // A seed of its own for each batch and rank: nothing about generators has to be saved.
  Random seeds(static_cast<std::uint64_t>(parts_.seed),
               static_cast<std::uint64_t>(parts_.gang.rank().rank) + 1);
  seeds.Seek(static_cast<std::uint64_t>(progress_.step));
  at::manual_seed(seeds.Next());
  Beat("forward");
  ZeroGradients(parameters_);
  // A forward that reads them must read the same on every rank, and after a resume.
  parts_.gang.Broadcast(buffers_);
  data_parallel_->BeginStep();
  const at::Tensor loss_sum = parts_.trial.TrainStep(loaded.batch);
  data_parallel_->BeginBackward();
  Beat("backward");
  // Queued before the engine's own, which waits for the other ranks: who computes is told from who waits.
  loss_sum.register_hook([this](const at::Tensor& /*gradient*/) {
    torch::autograd::Engine::get_default_engine().queue_callback([this] {
      Beat("reduce");
      reduced_at_ = Seconds();
    });
  });
  // The ranks' gradients are averaged; times their number it is the sum, over rows the mean.
  const double scale =
      static_cast<double>(parts_.gang.rank().world_size) / static_cast<double>(loaded.global_rows);
  reduced_at_ = Seconds();
  (loss_sum * scale).backward();
  waited_ = Seconds() - reduced_at_;
  optimizer_->Step(LearningRate(schedule_, progress_.step));
  progress_.loss_sum += loss_sum.item<double>();
  ++progress_.step;
  ++progress_.batch;
}

Result<Command> TrainLoop::RunEpoch() {
  const double start = Seconds();
  agreed_at_ = start;
  module_->train();
  MUSTER_ASSIGN_OR_RETURN(
      auto loader,
      BatchLoader::Start(parts_.train, {.columns = parts_.trial.data().columns(),
                                        .epoch = CurrentEpoch(),
                                        .batch_size = batch_size_,
                                        .first_batch = static_cast<std::uint64_t>(progress_.batch),
                                        .rank = parts_.gang.rank(),
                                        .threads = parts_.loader_threads}));
  const auto batches = static_cast<std::int64_t>(BatchCount(CurrentEpoch(), batch_size_));
  for (;;) {
    Beat("load");
    const double asked = Seconds();
    MUSTER_ASSIGN_OR_RETURN(const auto loaded, loader->Next());
    if (!loaded) break;
    const double got = Seconds();
    TrainStep(*loaded);
    times_.Add({.load = got - asked,
                .wait = waited_,
                .all = Seconds() - asked,
                .rows = loaded->batch.rows()});
    // At the end of an epoch the agreement follows its checkpoint.
    if (++steps_since_ < interval_ || progress_.batch == batches) continue;
    const Command command = Agree();
    if (command == Command::kNone) continue;
    MUSTER_RETURN_IF_ERROR(SaveMidEpoch());
    if (command == Command::kStop) return Command::kStop;
  }
  std::vector<double> loss{progress_.loss_sum};
  parts_.gang.Sum(loss);
  MUSTER_RETURN_IF_ERROR(
      FinishEpoch(loss[0] / static_cast<double>(parts_.train.rows()), Seconds() - start));
  steps_since_ = 0;  // validation and saving are in the time
  return Agree();
}

Status TrainLoop::SaveMidEpoch() {
  std::vector<double> loss{progress_.loss_sum};
  parts_.gang.Sum(loss);
  progress_.loss_sum = parts_.gang.first() ? loss[0] : 0;
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
    MUSTER_ASSIGN_OR_RETURN(
        const auto means, EvaluateSource(parts_.trial, *module_, *parts_.validation, parts_.gang));
    for (const auto& [name, mean] : means) progress_.metrics["validation/" + name] = mean;
  }
  seconds += Seconds() - start;
  progress_.metrics["seconds"] = seconds;
  progress_.seconds += seconds;
  progress_.loss_sum = 0;
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
  told_at_ = Seconds();
  LoopEnd end{.module = module_};
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
