#include "trainer/torch/sync_batch_norm.h"

#include <gtest/gtest.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include "tests/trainer/torch/thread_gang.h"

/// Ranks are threads; each normalizes its rows, and the reference is LibTorch's batch norm of all rows on one rank. In
/// float64, so within 1e-12; float32 within 1e-5.

namespace muster::trainer {
namespace {

using Tensors = std::vector<at::Tensor>;
constexpr std::int64_t kChannels = 3;

/// Values of another mean and spread in each channel; the weights of the loss are uneven so that all sums count.
at::Tensor Values(std::vector<std::int64_t> shape, double place) {
  const at::Tensor wave =
      (at::arange(c10::multiply_integers(shape), at::kDouble) * 0.7 + place).sin();
  std::vector<std::int64_t> by_channel(shape.size(), 1);
  by_channel[1] = kChannels;
  return wave.view(shape) * at::tensor({1.0, 5.0, 0.1}, at::kDouble).view(by_channel) +
         at::tensor({0.0, 100.0, -3.0}, at::kDouble).view(by_channel);
}

/// Output, gradients of x, weight and bias, running mean and variance after two batches.
Tensors TrainTwice(SyncBatchNormImpl& norm, const Tensors& batches, const Tensors& loss_weights) {
  Tensors results;
  norm.train();
  for (std::size_t i = 0; i < batches.size(); ++i) {
    norm.zero_grad();
    const at::Tensor x = batches[i].clone().set_requires_grad(true);
    const at::Tensor y = norm.forward(x);
    (y.sin() * loss_weights[i]).sum().backward();
    results.insert(results.end(), {y.detach(), x.grad(), norm.weight.grad(), norm.bias.grad()});
  }
  results.insert(results.end(), {norm.running_mean, norm.running_var, norm.num_batches_tracked});
  return results;
}

/// First rows of the parts of ranks, and the end of the last.
using Cuts = std::vector<std::int64_t>;

void ExpectAsOneRank(const Cuts& cuts, std::vector<std::int64_t> shape, at::ScalarType type,
                     double most) {
  shape[0] = cuts.back();
  const Tensors batches = {Values(shape, 0.0).to(type), Values(shape, 0.5).to(type)};
  const Tensors loss_weights = {Values(shape, 2.0).to(type), Values(shape, 3.0).to(type)};
  const auto make = [&](const Gang* gang) {
    auto norm = std::make_shared<SyncBatchNormImpl>(kChannels, gang);
    norm->to(type);
    const c10::NoGradGuard no_gradients;
    norm->weight.copy_(at::tensor({1.5, 0.5, -2.0}));
    norm->bias.copy_(at::tensor({0.1, -1.0, 0.0}));
    return norm;
  };
  const Tensors wanted = TrainTwice(*make(nullptr), batches, loss_weights);
  const auto ranks = static_cast<int>(cuts.size()) - 1;
  const auto got = OnRanks<Tensors>(ranks, [&](const Gang& gang) {
    const auto rank = static_cast<std::size_t>(gang.rank().rank);
    Tensors own, own_weights;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      own.push_back(batches[i].slice(0, cuts[rank], cuts[rank + 1]));
      own_weights.push_back(loss_weights[i].slice(0, cuts[rank], cuts[rank + 1]));
    }
    return TrainTwice(*make(&gang), own, own_weights);
  });
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool by_row = i < 8 && i % 4 < 2, summed = i < 8 && !by_row;
    Tensors parts;
    for (const Tensors& rank : got) parts.push_back(rank[i]);
    const at::Tensor joined = by_row ? at::cat(parts) : summed ? at::stack(parts).sum(0) : parts[0];
    EXPECT_EQ(joined.scalar_type(), wanted[i].scalar_type()) << i;
    EXPECT_TRUE(at::allclose(joined, wanted[i], most, most))
        << i << ": " << (joined - wanted[i]).abs().max();
    for (std::size_t rank = 1; i >= 8 && rank < parts.size(); ++rank) {
      EXPECT_TRUE(at::equal(parts[rank], parts[0])) << i;
    }
  }
}

TEST(SyncBatchNorm, TwoRanks_AsTheJoinedBatch) {
  ExpectAsOneRank({0, 4, 8}, {0, kChannels, 5, 2}, at::kDouble, 1e-12);
  ExpectAsOneRank({0, 4, 8}, {0, kChannels, 5, 2}, at::kFloat,
                  2e-4);  // variance 0.01 of values of -3
}

TEST(SyncBatchNorm, UnevenSharesAndRanksWithoutRows_AsTheJoinedBatch) {
  ExpectAsOneRank({0, 1, 7}, {0, kChannels, 4}, at::kDouble, 1e-12);
  ExpectAsOneRank({0, 0, 5, 5, 9}, {0, kChannels, 2, 3, 2}, at::kDouble, 1e-12);
}

TEST(SyncBatchNorm, RowsWithoutMoreDimensions_AsTheJoinedBatch) {
  ExpectAsOneRank({0, 1, 3, 4}, {0, kChannels}, at::kDouble, 1e-12);
}

TEST(SyncBatchNorm, ChannelsLast_AsTheJoinedBatchAndStaysSo) {
  const auto ys = OnRanks<at::Tensor>(2, [](const Gang& gang) {
    SyncBatchNormImpl norm(kChannels, &gang);
    norm.to(at::kDouble);
    const at::Tensor x = Values({4, kChannels, 5, 2}, 0.0)
                             .slice(0, 2 * gang.rank().rank, 2 * gang.rank().rank + 2)
                             .contiguous(at::MemoryFormat::ChannelsLast);
    return norm.forward(x).detach();
  });
  EXPECT_TRUE(ys[0].is_contiguous(at::MemoryFormat::ChannelsLast));
  SyncBatchNormImpl alone(kChannels);
  alone.to(at::kDouble);
  EXPECT_TRUE(
      at::allclose(at::cat(ys), alone.forward(Values({4, kChannels, 5, 2}, 0.0)), 1e-12, 1e-12));
}

TEST(SyncBatchNorm, Bf16_KeepsItsTypeAndFp32Statistics) {
  const auto results = OnRanks<Tensors>(2, [](const Gang& gang) {
    SyncBatchNormImpl norm(kChannels, &gang);
    const at::Tensor x = Values({2, kChannels, 8}, static_cast<double>(gang.rank().rank))
                             .to(at::kBFloat16)
                             .set_requires_grad(true);
    const at::Tensor y = norm.forward(x);
    y.sum().backward();
    return Tensors{x.detach(), y.detach(), norm.running_var, x.grad()};
  });
  const at::Tensor x = at::cat({results[0][0], results[1][0]}).to(at::kFloat);
  SyncBatchNormImpl alone(kChannels);
  const at::Tensor y = alone.forward(x);
  EXPECT_EQ(results[0][1].scalar_type(), at::kBFloat16);
  EXPECT_EQ(results[0][3].scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::allclose(at::cat({results[0][1], results[1][1]}).to(at::kFloat), y, 0.01, 0.01));
  EXPECT_TRUE(at::allclose(results[0][2], alone.running_var, 1e-4, 1e-6));
}

TEST(SyncBatchNorm, OneValueAChannel_IsRefused) {
  const auto refused = OnRanks<int>(2, [](const Gang& gang) -> int {
    SyncBatchNormImpl norm(kChannels, &gang);
    try {
      norm.forward(at::ones({gang.first() ? 1 : 0, kChannels}));
    } catch (const c10::Error& error) {
      return std::string(error.what_without_backtrace()) ==
             "batch norm in training: the ranks have 1 values a channel together, wanted 2 or more";
    }
    return false;
  });
  EXPECT_EQ(refused, (std::vector<int>{1, 1}));
}

TEST(SyncBatchNorm, InEvaluation_IsTracedAsABatchNorm) {
  const auto kinds = OnRanks<std::string>(1, [](const Gang& gang) {
    SyncBatchNormImpl norm(kChannels, &gang);
    norm.eval();
    norm.weight.set_requires_grad(false);
    norm.bias.set_requires_grad(false);
    const auto traced = torch::jit::tracer::trace(
        {at::ones({2, kChannels, 4})},
        [&](torch::jit::Stack stack) -> torch::jit::Stack {
          return {norm.forward(stack[0].toTensor())};
        },
        [](const at::Tensor&) { return std::string(); });
    std::string text;
    for (const torch::jit::Node* node : traced.first->graph->nodes()) {
      if (node->kind().is_aten()) text += node->kind().toQualString();
    }
    return text;
  });
  EXPECT_EQ(kinds[0], "aten::batch_norm");
}

}  // namespace
}  // namespace muster::trainer
