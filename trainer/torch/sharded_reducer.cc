#include "trainer/torch/sharded_reducer.h"

#include <ATen/ops/mul.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

namespace muster::trainer {
namespace {

/// Of a parameter's first element in its bucket, and of shards: kernels load whole vectors.
constexpr std::int64_t kAlign = 16;

std::int64_t RoundUp(std::int64_t value) { return (value + kAlign - 1) / kAlign * kAlign; }

}  // namespace

ShardedReducer::ShardedReducer(const NamedTensors& parameters, const Gang& gang, Options options)
    : gang_(gang), find_unused_(options.find_unused), slots_(parameters.size()) {
  const c10::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].name = parameters[i].first;
    slots_[i].parameter = parameters[i].second;
  }
  AssignBuckets(options);
  for (Bucket& bucket : buckets_) Allocate(bucket);
  for (Slot& slot : slots_) {
    MoveIn(slot);
    Hook(slot);
  }
}

ShardedReducer::~ShardedReducer() {
  for (Slot& slot : slots_) slot.accumulator->del_post_hook(slot.hook);
}

/// Backward meets the last parameters first.
void ShardedReducer::AssignBuckets(const Options& options) {
  for (std::size_t i = slots_.size(); i-- > 0;) {
    Slot& slot = slots_[i];
    const at::TensorOptions type = slot.parameter.options().requires_grad(false);
    const std::int64_t limit =
        buckets_.size() <= 1 ? options.first_bucket_bytes : options.bucket_bytes;
    if (buckets_.empty() || buckets_.back().options.dtype() != type.dtype() ||
        buckets_.back().elements * slot.parameter.element_size() >= limit) {
      buckets_.push_back({.options = type});
    }
    Bucket& bucket = buckets_.back();
    slot.bucket = buckets_.size() - 1;
    slot.offset = bucket.elements;
    bucket.elements += RoundUp(slot.parameter.numel());
    ++bucket.parameters;
  }
}

void ShardedReducer::Allocate(Bucket& bucket) const {
  const std::int64_t ranks = gang_.rank().world_size;
  bucket.shard = ShardSize(bucket.elements, ranks, kAlign);
  bucket.weights = at::zeros({bucket.shard * ranks}, bucket.options);
  bucket.gradients = at::zeros({bucket.shard * ranks}, bucket.options);
  bucket.missing = bucket.parameters;
}

/// The parameter becomes a view of its bucket's weights.
void ShardedReducer::MoveIn(Slot& slot) {
  Bucket& bucket = buckets_[slot.bucket];
  const at::IntArrayRef shape = slot.parameter.sizes();
  const auto place = [&](const at::Tensor& flat) {
    return flat.narrow(0, slot.offset, slot.parameter.numel());
  };
  const at::Tensor weights = place(bucket.weights).view(shape);
  weights.copy_(slot.parameter.detach());
  slot.parameter.set_data(weights);
  slot.gradient = place(bucket.gradients).view(shape);
  const ElementRange own = RangeOf(slot, gang_.rank().rank);
  const auto piece = [&](const at::Tensor& flat) {
    const at::Tensor values = place(flat).narrow(0, own.begin, own.size());
    // Which parameters decay may be told by their dimensions (OptimizerSpec::decay_all).
    return shape.size() >= 2 ? values.view({1, own.size()}) : values;
  };
  slot.piece = piece(bucket.weights).detach();
  slot.piece_gradient = piece(bucket.gradients);
}

void ShardedReducer::Hook(Slot& slot) {
  slot.accumulator = torch::autograd::impl::grad_accumulator(slot.parameter);
  slot.hook =
      slot.accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
          [this, &slot](const torch::autograd::variable_list& outputs,
                        const torch::autograd::variable_list& /*inputs*/) {
            OnGradient(slot);
            return outputs;
          }));
}

void ShardedReducer::BeginBackward(const at::Tensor& loss) {
  TORCH_CHECK(!reducing_, "the last backward has not ended");
  // Also where no gradient arrives on this rank, the others wait for its part.
  loss.register_hook([this](const at::Tensor& /*gradient*/) {
    torch::autograd::Engine::get_default_engine().queue_callback([this] { FinishBackward(); });
  });
  for (Slot& slot : slots_) slot.arrived = false;
  for (Bucket& bucket : buckets_) bucket.missing = bucket.parameters;
  launched_ = 0;
  works_.clear();
  reducing_ = true;
}

void ShardedReducer::OnGradient(Slot& slot) {
  if (slot.parameter.grad().defined()) slot.used = true;
  if (!reducing_) return;
  TORCH_CHECK(!slot.arrived, "parameter '", slot.name, "' got its gradient twice in one backward");
  Take(slot);
  Launch(/*all=*/false);
}

/// The gradient, or zeros where there is none, into the bucket.
void ShardedReducer::Take(Slot& slot) {
  const c10::NoGradGuard no_gradients;
  at::Tensor& gradient = slot.parameter.mutable_grad();
  const double share = 1.0 / static_cast<double>(gang_.rank().world_size);
  if (!gradient.defined() || !slot.used) {
    slot.gradient.zero_();
  } else {
    TORCH_CHECK(!gradient.is_sparse(), "parameter '", slot.name,
                "' has a sparse gradient: a sharded optimizer wants dense ones");
    if (gradient.is_alias_of(slot.gradient)) {
      slot.gradient.mul_(share);
    } else {
      at::mul_out(slot.gradient, gradient, at::scalar_tensor(share, gradient.options()));
    }
    gradient = slot.gradient;
  }
  slot.arrived = true;
  --buckets_[slot.bucket].missing;
}

/// Begins to reduce the buckets that are full, in their order, which is the same on all ranks.
void ShardedReducer::Launch(bool all) {
  for (; launched_ < buckets_.size(); ++launched_) {
    Bucket& bucket = buckets_[launched_];
    if (bucket.missing > 0 && !all) return;
    at::Tensor shard = OwnShard(bucket, bucket.gradients);
    works_.push_back(gang_.process_group()->_reduce_scatter_base(shard, bucket.gradients, {}));
  }
}

void ShardedReducer::FinishBackward() {
  reducing_ = false;
  for (Slot& slot : slots_) {
    TORCH_CHECK(slot.used || find_unused_, "parameter '", slot.name, "' of shape ",
                slot.parameter.sizes(), " took no part in the loss and has no gradient");
    if (!slot.arrived) Take(slot);
  }
  Launch(/*all=*/true);
  const std::vector<bool> used = UsedAnywhere();
  for (const auto& work : works_) work->wait();
  works_.clear();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    slot.piece.mutable_grad() = used[i] ? slot.piece_gradient : at::Tensor();
    if (used[i]) slot.parameter.mutable_grad() = slot.gradient;
    slot.used = false;
  }
}

std::vector<bool> ShardedReducer::UsedAnywhere() const {
  std::vector<bool> used(slots_.size(), true);
  if (!find_unused_) return used;
  std::vector<double> ranks;
  for (const Slot& slot : slots_) ranks.push_back(slot.used ? 1 : 0);
  gang_.Sum(ranks);
  for (std::size_t i = 0; i < used.size(); ++i) used[i] = ranks[i] > 0;
  return used;
}

void ShardedReducer::ShareWeights() {
  std::vector<c10::intrusive_ptr<c10d::Work>> works;
  for (Bucket& bucket : buckets_) {
    at::Tensor shard = OwnShard(bucket, bucket.weights);
    works.push_back(gang_.process_group()->_allgather_base(bucket.weights, shard, {}));
  }
  for (const auto& work : works) work->wait();
}

std::vector<at::Tensor> ShardedReducer::Pieces() const {
  std::vector<at::Tensor> pieces;
  for (const Slot& slot : slots_) pieces.push_back(slot.piece);
  return pieces;
}

std::vector<ElementRange> ShardedReducer::Ranges(std::size_t parameter) const {
  std::vector<ElementRange> ranges;
  for (std::int64_t rank = 0; rank < gang_.rank().world_size; ++rank) {
    ranges.push_back(RangeOf(slots_[parameter], rank));
  }
  return ranges;
}

at::Tensor ShardedReducer::OwnShard(const Bucket& bucket, const at::Tensor& flat) const {
  return flat.narrow(0, gang_.rank().rank * bucket.shard, bucket.shard);
}

/// What the rank's shard of the bucket has of the parameter.
ElementRange ShardedReducer::RangeOf(const Slot& slot, std::int64_t rank) const {
  const std::int64_t shard = buckets_[slot.bucket].shard;
  const std::int64_t elements = slot.parameter.numel();
  return {.begin = std::clamp<std::int64_t>(rank * shard - slot.offset, 0, elements),
          .end = std::clamp<std::int64_t>((rank + 1) * shard - slot.offset, 0, elements)};
}

}  // namespace muster::trainer
