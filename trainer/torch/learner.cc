#include "trainer/torch/learner.h"

#include <ATen/Context.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <iterator>

#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "trainer/torch/autocast.h"
#include "trainer/torch/clip.h"
#include "trainer/torch/columns.h"

namespace muster::trainer {
namespace {

/// Rows [from, to) of a batch.
Batch Part(const Batch& batch, std::int64_t from, std::int64_t to) {
  if (from == 0 && to == batch.rows()) return batch;
  auto columns = std::make_shared<Batch::Columns>();
  for (const auto& [name, tensor] : batch.columns().tensors) {
    columns->tensors.emplace(name, tensor.narrow(0, from, to - from));
  }
  return {std::move(columns), to - from};
}

}  // namespace

LearnerOptions LearnerOptionsFrom(const Params& params, std::int64_t seed) {
  const auto bucket_bytes = static_cast<std::int64_t>(params.Float("bucket_mb") * (1 << 20));
  return {.precision = PrecisionFromName(params.Text("precision")),
          .accumulate = params.Int("accumulate"),
          .graph = params.Text("cuda_graph") == "on",
          .seed = seed,
          .parallel = {.first_bucket_bytes = std::min<std::int64_t>(1 << 20, bucket_bytes),
                       .bucket_bytes = bucket_bytes,
                       .find_unused = params.Text("find_unused") == "on",
                       .shard_optimizer = params.Text("zero") == "on"}};
}

/// A captured step: what it reads its batch from, and for which batches it holds.
struct Learner::Graph {
  std::int64_t eager_steps = 0;  ///< lazily made state and tuned kernels are there after a few
  std::shared_ptr<Batch::Columns> columns;
  std::int64_t rows = 0;
  std::int64_t global_rows = 0;
  std::unique_ptr<StepGraph> captured;
};

Learner::Learner(Trial& trial, const Gang& gang, Accelerator& accelerator, LearnerOptions options)
    : trial_(trial), gang_(gang), accelerator_(accelerator), options_(options) {
  if (!options_.graph) return;
  if (gang_.alone()) {
    graph_ = std::make_unique<Graph>();
  } else {
    LogWarning("trainer", "cuda_graph is for one rank; this gang computes step by step");
  }
}

Learner::~Learner() = default;

Result<std::unique_ptr<Learner>> Learner::Make(Trial& trial, const Params& params, const Gang& gang,
                                               Accelerator& accelerator, LearnerOptions options) {
  auto learner = std::unique_ptr<Learner>(new Learner(trial, gang, accelerator, options));
  at::manual_seed(static_cast<std::uint64_t>(options.seed));
  trial.set_gang(&gang);
  learner->module_ = trial.Build(params);
  const at::Device device = accelerator.device();
  learner->module_->to(device);
  learner->parameters_ = TrainedParameters(*learner->module_);
  if (learner->parameters_.empty()) {
    return Invalid("the trial's module has no parameter to train");
  }
  learner->buffers_ = learner->module_->buffers();
  MUSTER_RETURN_IF_ERROR(gang.CheckSame(ParameterFacts(learner->parameters_)));
  learner->data_parallel_ =
      std::make_unique<DataParallel>(learner->parameters_, gang, options.parallel);
  const OptimizerSpec spec = trial.optimizer(params);
  learner->optimizer_ = MakeOptimizer(learner->data_parallel_->optimized(), spec);
  learner->shards_ = learner->data_parallel_->ShardsOf(learner->optimizer_->State());
  for (ShardedTensor& shard : learner->shards_) shard.name = "optimizer." + shard.name;
  learner->clip_norm_ = spec.clip_norm;
  if (options.precision == Precision::kFp16)
    learner->scaler_ = std::make_unique<GradScaler>(device);
  if (spec.ema_decay > 0) {
    std::vector<at::Tensor> averaged;
    for (const auto& [name, parameter] : learner->parameters_) averaged.push_back(parameter);
    learner->ema_ = std::make_unique<Ema>(averaged, spec.ema_decay);
  }
  learner->watch_ = std::make_unique<LossWatch>(device, 0);
  learner->loss_sum_ = at::zeros({}, at::TensorOptions(at::kDouble).device(device));
  learner->learning_rate_ = at::zeros({}, at::TensorOptions(at::kFloat).device(device));
  return learner;
}

/// A seed of its own for each batch and rank: nothing about generators has to be saved.
void Learner::SeedGenerators(std::int64_t step) const {
  Random seeds(static_cast<std::uint64_t>(options_.seed),
               static_cast<std::uint64_t>(gang_.rank().rank) + 1);
  seeds.Seek(static_cast<std::uint64_t>(step));
  at::manual_seed(seeds.Next());
}

/// The loss, which no gradients flow from.
at::Tensor Learner::ComputePart(const Batch& batch, double scale, bool last,
                                const OnPhase& on_phase) {
  // Only the last part's gradients, to which those of the others have been added, go to the other ranks.
  if (last) data_parallel_->BeginStep();
  at::Tensor loss;
  {
    const Autocast autocast(accelerator_.device().type(), options_.precision);
    loss = trial_.TrainStep(batch);
  }
  if (last) {
    on_phase("backward");
    // Queued before what waits for the other ranks: who computes is told from who waits.
    loss.register_hook([&on_phase](const at::Tensor& /*gradient*/) {
      torch::autograd::Engine::get_default_engine().queue_callback(
          [&on_phase] { on_phase("reduce"); });
    });
    data_parallel_->BeginBackward(loss);
  }
  (scaler_ ? scaler_->Scale(loss) : loss).backward(at::full_like(loss, scale));
  return loss.detach();
}

void Learner::Compute(const Batch& batch, std::int64_t global_rows, const OnPhase& on_phase) {
  // Forgotten, not zeroed: backward then writes them without reading. The reducer takes them into its buckets anew.
  for (const auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
  // A forward that reads them must read the same on every rank, and after a resume.
  gang_.Broadcast(buffers_);
  // The ranks' gradients are averaged; times their number it is the sum, over rows the mean.
  const double scale =
      static_cast<double>(gang_.rank().world_size) / static_cast<double>(global_rows);
  // As many on each rank, also on one with a row less: forward may speak with the other ranks (SyncBatchNorm).
  const std::int64_t ranks = gang_.rank().world_size;
  const std::int64_t parts =
      std::clamp<std::int64_t>(options_.accumulate, 1, (global_rows + ranks - 1) / ranks);
  at::Tensor loss;
  for (std::int64_t part = 0; part < parts; ++part) {
    const at::Tensor own =
        ComputePart(Part(batch, part * batch.rows() / parts, (part + 1) * batch.rows() / parts),
                    scale, part + 1 == parts, on_phase);
    loss = part == 0 ? own : loss + own;
  }
  loss_sum_.add_(loss);
  watch_->Add(loss);
  CheckGradients();
}

void Learner::CheckGradients() const {
  if (options_.parallel.find_unused) return;
  for (const auto& [name, parameter] : parameters_) {
    TORCH_CHECK(parameter.grad().defined(), "parameter '", name, "' of shape ", parameter.sizes(),
                " took no part in the loss and has no gradient: with find_unused on it may");
  }
}

/// From gradients to weights; without a rate here it is the one on the device.
void Learner::Update(std::optional<double> learning_rate) {
  std::vector<at::Tensor> gradients;
  if (scaler_ || clip_norm_ > 0) gradients = Gradients(data_parallel_->optimized());
  at::Tensor found_inf;
  if (scaler_) found_inf = scaler_->Unscale(gradients);
  if (scaler_ && data_parallel_->sharded()) found_inf.copy_(gang_.Sum(found_inf).clamp_max(1));
  if (clip_norm_ > 0 && data_parallel_->sharded()) {
    ClipByGlobalNorm(gradients, clip_norm_, gang_);
  } else if (clip_norm_ > 0) {
    ClipByGlobalNorm(gradients, clip_norm_);
  }
  if (scaler_ && learning_rate) learning_rate_.fill_(*learning_rate);
  if (scaler_ || !learning_rate) {
    optimizer_->Step(learning_rate_, found_inf);
  } else {
    optimizer_->Step(*learning_rate);
  }
  data_parallel_->EndStep();
  if (scaler_) scaler_->Update();
  if (ema_) ema_->Update();
}

bool Learner::Replayed(const LoadedBatch& loaded, double learning_rate) {
  constexpr std::int64_t kEagerSteps = 3;
  if (!graph_ || graph_->eager_steps++ < kEagerSteps) return false;
  Graph& graph = *graph_;
  if (!graph.captured) {
    graph.columns = std::make_shared<Batch::Columns>();
    for (const auto& [name, tensor] : loaded.batch.columns().tensors) {
      graph.columns->tensors.emplace(name, tensor.clone());
    }
    graph.rows = loaded.batch.rows();
    graph.global_rows = loaded.global_rows;
    graph.captured = accelerator_.Capture([&] {
      Compute(Batch(graph.columns, graph.rows), graph.global_rows, [](const char*) {});
      Update({});
    });
    if (!graph.captured) {
      LogWarning("trainer", "cuda_graph: " + accelerator_.name() + " has no graphs");
      graph_.reset();
      return false;
    }
  }
  // Another number of rows, as at the end of an epoch, is another step.
  if (loaded.batch.rows() != graph.rows || loaded.global_rows != graph.global_rows) return false;
  for (auto& [name, tensor] : graph.columns->tensors) {
    tensor.copy_(loaded.batch[name], /*non_blocking=*/true);
  }
  learning_rate_.fill_(learning_rate);
  graph.captured->Replay();
  return true;
}

void Learner::Step(const LoadedBatch& loaded, std::int64_t step, double learning_rate,
                   const OnPhase& on_phase) {
  SeedGenerators(step);
  on_phase("forward");
  if (Replayed(loaded, learning_rate)) return;
  Compute(loaded.batch, loaded.global_rows, on_phase);
  on_phase("step");
  Update(learning_rate);
}

void Learner::Resumed(std::int64_t step) {
  watch_ = std::make_unique<LossWatch>(accelerator_.device(), step);
}

void Learner::SwapAverages() {
  if (ema_) ema_->Swap();
}

double Learner::loss_sum() const { return loss_sum_.item<double>(); }
void Learner::set_loss_sum(double sum) { loss_sum_.fill_(sum); }

std::int64_t Learner::parameter_count() const {
  std::int64_t count = 0;
  for (const auto& [name, parameter] : parameters_) count += parameter.numel();
  return count;
}

NamedTensors Learner::StateTensors() const {
  NamedTensors tensors;
  const auto add = [&](const std::string& group, const NamedTensors& state) {
    for (const auto& [name, tensor] : state) {
      std::string full = group + "." + name;
      if (std::ranges::find(shards_, full, &ShardedTensor::name) != shards_.end()) continue;
      tensors.emplace_back(std::move(full), tensor);
    }
  };
  add("optimizer", optimizer_->State());
  if (scaler_) add("scaler", scaler_->State());
  if (ema_) add("ema", ema_->State());
  return tensors;
}

NamedTensors Learner::AllTensors() const {
  NamedTensors tensors = ModelTensors(*module_);
  std::ranges::move(StateTensors(), std::back_inserter(tensors));
  return tensors;
}

}  // namespace muster::trainer
