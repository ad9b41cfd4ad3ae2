#include "trainer/torch/recompute.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "trainer/torch/data_parallel.h"

/// A recomputed model beside the same one that keeps everything: same operations, so the same bits.

namespace muster::trainer {
namespace {

constexpr std::int64_t kRows = 32, kWidth = 48;

using Tensors = std::vector<at::Tensor>;

/// Two layers with dropout between, whose weights are `first` and `second`.
at::Tensor Block(const at::Tensor& x, const at::Tensor& first, const at::Tensor& second) {
  return at::linear(at::dropout(at::tanh(at::linear(x, first)), 0.4, /*train=*/true), second)
      .tanh();
}

Tensors Weights(int blocks) {
  at::manual_seed(5);
  Tensors weights;
  for (int i = 0; i < 2 * blocks; ++i) {
    weights.push_back(at::randn({kWidth, kWidth}).mul_(0.2).set_requires_grad(true));
  }
  return weights;
}

at::Tensor Inputs(bool requires_grad = true) {
  at::manual_seed(6);
  return at::randn({kRows, kWidth}).set_requires_grad(requires_grad);
}

at::Tensor Forward(at::Tensor x, const Tensors& weights, bool recompute) {
  for (std::size_t i = 0; i < weights.size(); i += 2) {
    const auto block = [first = weights[i], second = weights[i + 1]](const at::Tensor& in) {
      return Block(in, first, second);
    };
    x = recompute ? Recompute(block, x) : block(x);
  }
  return x.square().sum();
}

Tensors GradientsOf(const Tensors& tensors) {
  Tensors gradients;
  for (const at::Tensor& tensor : tensors) gradients.push_back(tensor.grad());
  return gradients;
}

void ExpectSame(const Tensors& mine, const Tensors& reference) {
  ASSERT_EQ(mine.size(), reference.size());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    ASSERT_TRUE(mine[i].defined()) << i;
    EXPECT_TRUE(at::equal(mine[i], reference[i])) << i;
  }
}

struct Outcome {
  double loss;
  Tensors gradients;  ///< of the weights, then of the input where it wants one
  at::Tensor random;  ///< drawn after backward
};

Outcome Train(bool recompute, bool input_gradient) {
  const Tensors weights = Weights(3);
  const at::Tensor x = Inputs(input_gradient);
  const at::Tensor loss = Forward(x, weights, recompute);
  loss.backward();
  Outcome outcome{loss.item<double>(), GradientsOf(weights), at::rand({4})};
  if (input_gradient) outcome.gradients.push_back(x.grad());
  return outcome;
}

TEST(Recompute, Dropout_LeavesGradientsAndGeneratorTheSame) {
  for (const bool input_gradient : {true, false}) {
    const Outcome mine = Train(true, input_gradient);
    const Outcome reference = Train(false, input_gradient);
    EXPECT_EQ(mine.loss, reference.loss);
    ExpectSame(mine.gradients, reference.gradients);
    EXPECT_TRUE(at::equal(mine.random, reference.random));
  }
}

TEST(Recompute, OtherRandomNumbers_GiveOtherGradients) {
  const Tensors weights = Weights(1);
  const auto gradient = [&](RecomputeOptions options) {
    const at::Tensor x = Inputs();
    const auto block = [&](const at::Tensor& in) { return Block(in, weights[0], weights[1]); };
    Recompute(block, x, options).sum().backward();
    return x.grad();
  };
  EXPECT_TRUE(at::equal(gradient({}), gradient({})));
  EXPECT_FALSE(at::equal(gradient({}), gradient({.same_random = false})));
}

/// Bytes that this thread has allocated and not freed.
class LiveBytes final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* /*pointer*/, std::int64_t bytes, std::size_t /*allocated*/,
                         std::size_t /*reserved*/, c10::Device /*device*/) override {
    live += bytes;
  }
  [[nodiscard]] bool memoryProfilingEnabled() const override { return true; }
  std::int64_t live = 0;
};

std::int64_t BytesKept(bool recompute) {
  const Tensors weights = Weights(4);
  const at::Tensor x = Inputs();
  const auto bytes = std::make_shared<LiveBytes>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, bytes);
  const at::Tensor loss = Forward(x, weights, recompute);
  return bytes->live;
}

TEST(Recompute, BetweenForwardAndBackward_KeepsInputsOfBlocksOnly) {
  const std::int64_t tensor = kRows * kWidth * 4;
  // Each block's input, but for the first which was there before; the generator's states of each block.
  EXPECT_LT(BytesKept(true), 4 * tensor + 4 * 8192);
  // Of each block: two of tanh, the mask and the product of dropout.
  EXPECT_GT(BytesKept(false), 4 * 3 * tensor);
}

TEST(Recompute, WithinAnother_IsTheSame) {
  const auto run = [](bool recompute) {
    const Tensors weights = Weights(2);
    const at::Tensor x = Inputs();
    const auto both = [&](const at::Tensor& in) { return Forward(in, weights, recompute); };
    (recompute ? Recompute(both, x) : both(x)).backward();
    Tensors gradients = GradientsOf(weights);
    gradients.push_back(x.grad());
    return gradients;
  };
  ExpectSame(run(true), run(false));
}

TEST(Recompute, ManyTensors_GiveGradientsWhereAsked) {
  const auto run = [](bool recompute) {
    const Tensors weights = Weights(1);
    const Tensors inputs = {Inputs(), Inputs().detach(), at::arange(kRows)};
    const auto function = [&](const Tensors& in) {
      return Tensors{at::linear(in[0] + in[1], weights[0]), in[0] * 3, in[2] + 1};
    };
    const Tensors outputs = recompute ? Recompute(function, inputs) : function(inputs);
    EXPECT_EQ(outputs[2][1].item<std::int64_t>(), 2);
    outputs[0].square().sum().backward();  // the second output is not used
    EXPECT_FALSE(inputs[1].grad().defined());
    return Tensors{weights[0].grad(), inputs[0].grad()};
  };
  ExpectSame(run(true), run(false));
}

/// bfloat16 on the CPU for one region.
class Bf16 {
 public:
  Bf16() {
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::increment_nesting();
  }
  ~Bf16() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
  }
};

TEST(Recompute, Autocast_IsAsInForwardThoughOffInBackward) {
  std::vector<at::ScalarType> types;
  const auto run = [&](bool recompute) {
    const Tensors weights = Weights(1);
    const at::Tensor x = Inputs();
    const auto block = [&](const at::Tensor& in) {
      const at::Tensor out = Block(in, weights[0], weights[1]);
      types.push_back(out.scalar_type());
      return out;
    };
    at::Tensor loss;
    {
      const Bf16 region;
      // The weight is used outside the block too: a cast without graph must not be used again there.
      loss = (recompute ? Recompute(block, x) : block(x)).sum() + at::linear(x, weights[0]).sum();
    }
    loss.backward();
    return Tensors{weights[0].grad(), weights[1].grad(), x.grad()};
  };
  const Tensors mine = run(true);
  EXPECT_EQ(types, std::vector<at::ScalarType>(2, at::kBFloat16));
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
  EXPECT_TRUE(at::autocast::is_autocast_cache_enabled());
  const Tensors reference = run(false);
  // Without the cache two gradients of one weight meet in float32 and not in bfloat16.
  for (std::size_t i = 0; i < mine.size(); ++i) {
    EXPECT_TRUE(at::allclose(mine[i], reference[i], 0.01, 0.05)) << i;
  }
}

TEST(Recompute, WithoutGradients_CallsOnce) {
  int calls = 0;
  const at::NoGradGuard no_grad;
  const auto twice = [&](const at::Tensor& x) {
    ++calls;
    return x * 2;
  };
  const at::Tensor y = Recompute(twice, Inputs());
  EXPECT_FALSE(y.requires_grad());
  EXPECT_EQ(calls, 1);
}

TEST(Recompute, SecondCallThrows_LeavesAllAsBefore) {
  int calls = 0;
  const auto function = [&](const at::Tensor& x) {
    at::rand({3});
    if (++calls == 2) throw std::runtime_error("out of luck");
    return x * 2;
  };
  const at::Tensor y = Recompute(function, Inputs()).sum();
  const at::Tensor before = at::detail::getDefaultCPUGenerator().get_state();
  EXPECT_THROW(y.backward(), std::runtime_error);
  EXPECT_TRUE(at::equal(at::detail::getDefaultCPUGenerator().get_state(), before));
  EXPECT_TRUE(at::autocast::is_autocast_cache_enabled());
}

TEST(Recompute, OtherNumberOfTensors_IsAnError) {
  std::size_t outputs = 0;
  const auto more = [&](const Tensors& in) { return Tensors(++outputs, in[0] * 2); };
  const at::Tensor y = Recompute(more, {Inputs()})[0].sum();
  EXPECT_THROW(y.backward(), c10::Error);
}

/// The first of two ranks whose other one does all the same.
class TwinBackend final : public c10d::Backend {
 public:
  TwinBackend() : Backend(0, 2) {}
  const std::string getBackendName() const override { return "twin"; }
  c10::intrusive_ptr<c10d::Work> allreduce(Tensors& tensors,
                                           const c10d::AllreduceOptions& /*options*/) override {
    ++reduced;
    for (at::Tensor& tensor : tensors) tensor.mul_(2);
    return Done(tensors);
  }
  c10::intrusive_ptr<c10d::Work> broadcast(Tensors& tensors,
                                           const c10d::BroadcastOptions& /*options*/) override {
    return Done(tensors);
  }
  int reduced = 0;

 private:
  class DoneWork final : public c10d::Work {
   public:
    explicit DoneWork(const Tensors& tensors)
        : future_(c10::make_intrusive<c10::ivalue::Future>(
              c10::ListType::create(c10::TensorType::get()))) {
      finish();
      future_->markCompleted(c10::IValue(tensors));
    }
    c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }

   private:
    c10::intrusive_ptr<c10::ivalue::Future> future_;
  };
  static c10::intrusive_ptr<c10d::Work> Done(const Tensors& tensors) {
    return c10::make_intrusive<DoneWork>(tensors);
  }
};

TEST(Recompute, UnderDataParallel_ReducesEachBucketOnce) {
  const auto run = [](bool recompute) {
    const auto backend = c10::make_intrusive<TwinBackend>();
    const Gang gang{c10::intrusive_ptr<c10d::Backend>(backend)};
    const Tensors weights = Weights(3);
    // A bucket a weight.
    DataParallel data_parallel(weights, gang, {.first_bucket_bytes = 1, .bucket_bytes = 1});
    Tensors gradients;
    for (int step = 0; step < 3; ++step) {
      for (const at::Tensor& weight : weights) {
        if (weight.grad().defined()) weight.grad().zero_();
      }
      backend->reduced = 0;
      data_parallel.BeginStep();
      const at::Tensor loss = Forward(Inputs(false), weights, recompute);
      data_parallel.BeginBackward(loss);
      loss.backward();
      EXPECT_EQ(backend->reduced, 6);
      for (const at::Tensor& weight : weights) gradients.push_back(weight.grad().clone());
    }
    return gradients;
  };
  ExpectSame(run(true), run(false));
}

}  // namespace
}  // namespace muster::trainer
