#include "trainer/torch/data_parallel.h"

#include <gtest/gtest.h>

#include "tests/trainer/torch/thread_gang.h"
#include "trainer/torch/clip.h"
#include "trainer/torch/optimizer.h"

/// Ranks are threads. Every test holds what they learn against one rank that computes whole batches: float32 sums in
/// another order, within 1e-5 of weights of about 1 after ten steps of AdamW.

namespace muster::trainer {
namespace {

using Tensors = std::vector<at::Tensor>;
constexpr std::int64_t kRows = 12;

/// Two layers, and a matrix that some rows alone are seen by.
NamedTensors MakeParameters() {
  const std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes = {
      {"first.weight", {16, 4}}, {"first.bias", {16}},  {"second.weight", {3, 16}},
      {"second.bias", {3}},      {"seldom", {5, 7, 3}}, {"scale", {}}};
  NamedTensors parameters;
  for (const auto& [name, shape] : shapes) {
    const double place = static_cast<double>(parameters.size());
    const std::int64_t elements = c10::multiply_integers(shape);
    at::Tensor values = (at::arange(elements, at::kFloat) * 0.37 + place).sin() * 0.5;
    parameters.emplace_back(name, values.view(shape).clone().set_requires_grad(true));
  }
  return parameters;
}

/// Row i sees `seldom` where i is odd, but in no step that is a multiple of 3.
at::Tensor LossSum(const NamedTensors& parameters, std::int64_t step, std::int64_t from,
                   std::int64_t stride, bool seldom) {
  const auto p = [&](std::size_t i) { return parameters[i].second; };
  const at::Tensor rows = at::arange(from, kRows, stride);
  const at::Tensor x = (rows.unsqueeze(1) * 1.7 + at::arange(4) * 0.9 + step * 0.31).sin();
  const at::Tensor y = (x.mm(p(0).t()) + p(1)).tanh().mm(p(2).t()) + p(3);
  const at::Tensor loss = (y * p(5) - 1).square().sum();
  const at::Tensor seen = seldom ? x.index({rows.remainder(2).eq(1)}) : x;
  if (seldom && (step % 3 == 0 || seen.size(0) == 0)) return loss;
  const at::Tensor products = p(4).flatten() * seen.sum(1, /*keepdim=*/true) * 0.1;
  return loss + products.tanh().sum();
}

struct Plan {
  DataParallel::Options options;
  OptimizerSpec spec = {.weight_decay = 0.1, .decay_all = false};
  std::int64_t parts = 1;  ///< that a rank's rows are computed in
  std::int64_t first = 0, last = 10;
  const std::vector<StoredTensor>* stored = nullptr;  ///< where to begin
};

struct Learned {
  Tensors weights;
  std::int64_t state_bytes = 0;
  std::vector<StoredTensor> stored;  ///< on rank 0
};

class Training {
 public:
  Training(const Gang& gang, const Plan& plan)
      : gang_(gang),
        plan_(plan),
        parameters_(MakeParameters()),
        data_parallel_(parameters_, gang, plan.options),
        optimizer_(MakeOptimizer(data_parallel_.optimized(), plan.spec)),
        shards_(data_parallel_.ShardsOf(optimizer_->State())) {
    if (plan.stored != nullptr) Load(*plan.stored);
    for (std::int64_t step = plan.first; step < plan.last; ++step) Step(step);
  }

  Learned Result() {
    Learned learned;
    for (const auto& [name, parameter] : parameters_) {
      learned.weights.push_back(parameter.detach().clone());
    }
    for (const auto& [name, tensor] : optimizer_->State()) {
      if (name != "step") learned.state_bytes += static_cast<std::int64_t>(tensor.nbytes());
    }
    Store(learned.stored);
    return learned;
  }

 private:
  void Step(std::int64_t step) {
    const std::int64_t rank = gang_.rank().rank, ranks = gang_.rank().world_size;
    for (const auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
    for (std::int64_t part = 0; part < plan_.parts; ++part) {
      const bool last = part + 1 == plan_.parts;
      if (last) data_parallel_.BeginStep();
      const at::Tensor loss = LossSum(parameters_, step, rank + part * ranks, ranks * plan_.parts,
                                      plan_.options.find_unused) *
                              (static_cast<double>(ranks) / kRows);
      if (last) data_parallel_.BeginBackward(loss);
      loss.backward();
    }
    if (plan_.spec.clip_norm > 0) {
      const Tensors gradients = Gradients(data_parallel_.optimized());
      if (data_parallel_.sharded()) {
        ClipByGlobalNorm(gradients, plan_.spec.clip_norm, gang_);
      } else {
        ClipByGlobalNorm(gradients, plan_.spec.clip_norm);
      }
    }
    optimizer_->Step(0.02);
    data_parallel_.EndStep();
  }

  /// What every rank has whole.
  [[nodiscard]] NamedTensors Whole() const {
    NamedTensors whole = parameters_;
    for (const auto& [name, tensor] : optimizer_->State()) {
      if (shards_.empty() || name == "step") whole.emplace_back(name, tensor);
    }
    return whole;
  }

  void Store(std::vector<StoredTensor>& stored) {
    if (gang_.first()) stored = *StoreTensors(Whole());
    for (const GatheredTensor& one : Gathered(shards_, gang_)) {
      const at::Tensor whole = gang_.first() ? at::full(one.shape, 99.0) : at::Tensor();
      one.fill(whole);
      if (gang_.first()) stored.push_back(std::move((*StoreTensors({{one.name, whole}}))[0]));
    }
  }

  void Load(const std::vector<StoredTensor>& stored) {
    NamedTensors wanted = Whole();
    const std::size_t whole = wanted.size();
    for (auto& one : Wholes(shards_)) wanted.push_back(one);
    if (gang_.first()) {
      const Status loaded = LoadTensors(stored, wanted);
      EXPECT_TRUE(loaded.ok()) << loaded.error().message;
    }
    Tensors tensors;
    for (std::size_t i = 0; i < whole; ++i) tensors.push_back(wanted[i].second);
    gang_.Broadcast(tensors);
    Scatter(gang_.first() ? stored : std::vector<StoredTensor>(), shards_, gang_);
  }

  const Gang& gang_;
  const Plan& plan_;
  NamedTensors parameters_;
  DataParallel data_parallel_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<ShardedTensor> shards_;
};

Learned Alone(Plan plan) {
  plan.parts = 1;
  return Training(Gang(), plan).Result();
}

std::vector<Learned> Together(int ranks, const Plan& plan) {
  return OnRanks<Learned>(ranks, [&](const Gang& gang) { return Training(gang, plan).Result(); });
}

void ExpectNear(const Tensors& mine, const Tensors& wanted, double most = 1e-5) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_LE((mine[i] - wanted[i]).abs().max().item<double>(), most) << i;
  }
}

void ExpectEqual(const Tensors& mine, const Tensors& wanted) {
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(at::equal(mine[i], wanted[i])) << i;
}

/// Small buckets, so that there are many, and parameters that lie across the border of two shards.
DataParallel::Options Small(bool shard, bool find_unused = false) {
  return {.first_bucket_bytes = 50,
          .bucket_bytes = 200,
          .find_unused = find_unused,
          .shard_optimizer = shard};
}

class DataParallelOf : public testing::TestWithParam<std::tuple<int, bool>> {
 protected:
  static int ranks() { return std::get<0>(GetParam()); }
  static bool shard() { return std::get<1>(GetParam()); }
  static void ExpectLearnsAsOneRank(const Plan& plan) {
    const Learned reference = Alone(plan);
    for (const Learned& learned : Together(ranks(), plan)) {
      ExpectNear(learned.weights, reference.weights);
    }
  }
};
INSTANTIATE_TEST_SUITE_P(, DataParallelOf,
                         testing::Combine(testing::Values(1, 2, 3, 4), testing::Bool()),
                         [](const auto& info) {
                           return std::to_string(std::get<0>(info.param)) + "Ranks" +
                                  (std::get<1>(info.param) ? "Sharded" : "");
                         });

TEST_P(DataParallelOf, AdamW_LearnsAsOneRank_TheSameBitsOnEach) {
  const Plan plan{.options = Small(shard())};
  const auto together = Together(ranks(), plan);
  for (const Learned& learned : together) ExpectEqual(learned.weights, together[0].weights);
  ExpectNear(together[0].weights, Alone(plan).weights);
}

TEST_P(DataParallelOf, OneLargeBucket_LearnsAsOneRank) {
  ExpectLearnsAsOneRank({.options = {.shard_optimizer = shard()}});
}

TEST_P(DataParallelOf, SgdWithMomentum_LearnsAsOneRank) {
  ExpectLearnsAsOneRank({.options = Small(shard()), .spec = {.kind = OptimizerSpec::Kind::kSgd}});
}

TEST_P(DataParallelOf, Accumulation_LearnsAsOneRank) {
  ExpectLearnsAsOneRank({.options = Small(shard()), .parts = 3});
}

TEST_P(DataParallelOf, ClippedByTheGlobalNorm_LearnsAsOneRank) {
  Plan plan{.options = Small(shard()), .spec = {.kind = OptimizerSpec::Kind::kSgd}};
  plan.spec.clip_norm = 0.05;
  ExpectLearnsAsOneRank(plan);
}

// `seldom` has a gradient on some ranks, on none in every third step; in the first of three parts or the last.
TEST_P(DataParallelOf, UnusedParameters_LearnAsOneRank) {
  ExpectLearnsAsOneRank({.options = Small(shard(), /*find_unused=*/true)});
  ExpectLearnsAsOneRank({.options = Small(shard(), /*find_unused=*/true), .parts = 3});
}

TEST_P(DataParallelOf, State_IsSharedOutAndStoredWhole) {
  const Plan plan{.options = Small(shard())};
  const Learned reference = Alone(plan);
  const auto together = Together(ranks(), plan);
  if (shard()) {
    std::int64_t sum = 0;
    for (const Learned& learned : together) {
      sum += learned.state_bytes;
      // Shards are multiples of 16 elements; 4 buckets, two moments of 4 bytes.
      EXPECT_LE(learned.state_bytes, reference.state_bytes / ranks() + 4 * 2 * 4 * 32);
    }
    EXPECT_EQ(sum, reference.state_bytes);
  }
  ASSERT_EQ(together[0].stored.size(), reference.stored.size());
  for (const StoredTensor& wanted : reference.stored) {
    const auto found = std::ranges::find(together[0].stored, wanted.name, &StoredTensor::name);
    ASSERT_NE(found, together[0].stored.end()) << wanted.name;
    EXPECT_EQ(found->shape, wanted.shape);
    const auto values = [](const StoredTensor& one) {
      return at::from_blob(const_cast<std::byte*>(one.bytes.data()), one.shape, at::kFloat);
    };
    EXPECT_TRUE(at::allclose(values(*found), values(wanted), 1e-4, 1e-6)) << wanted.name;
  }
}

TEST_P(DataParallelOf, TwoThenOneThenMoreRanks_LearnAsOneRank) {
  const Plan first{.options = Small(shard()), .last = 4};
  const auto two = Together(2, first);
  const Plan second{.options = Small(false), .first = 4, .last = 7, .stored = &two[0].stored};
  const Learned one = Alone(second);
  const Plan third{.options = Small(shard()), .first = 7, .last = 10, .stored = &one.stored};
  const Learned reference = Alone({.options = Small(false)});
  for (const Learned& learned : Together(ranks(), third)) {
    ExpectNear(learned.weights, reference.weights);
  }
}

// Elementwise optimizers do the same to a part as to the whole; that a part begins elsewhere in a vector register
// may round otherwise.
TEST(Sharded, TwoRanks_WeightsAsWithoutIt) {
  const auto whole = Together(2, {.options = Small(false)});
  const auto sharded = Together(2, {.options = Small(true)});
  ExpectNear(sharded[0].weights, whole[0].weights, 1e-6);
}

std::string ErrorOf(const std::function<void()>& function) {
  try {
    function();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "no error";
}

TEST(DataParallel, RanksWithOtherParameters_AllNameThem) {
  const auto errors = OnRanks<std::string>(3, [](const Gang& gang) {
    NamedTensors parameters = MakeParameters();
    if (gang.rank().rank == 2) {
      parameters[1].second = at::zeros({17});
      parameters[3].second = parameters[3].second.to(at::kDouble);
      parameters.pop_back();
    }
    return ErrorOf([&] { const DataParallel data_parallel(parameters, gang); });
  });
  for (const std::string& error : errors) {
    EXPECT_EQ(error,
              "rank 2 does not have what rank 0 has: parameter 'first.bias' is Float [17], wanted "
              "Float [16]; parameter 'second.bias' is Double [3], wanted Float [3]; it has no "
              "parameter 'scale', wanted Float []");
  }
}

TEST(Sharded, ParameterThatTookNoPart_IsNamed) {
  const auto errors = OnRanks<std::string>(2, [](const Gang& gang) {
    const NamedTensors parameters = MakeParameters();
    DataParallel data_parallel(parameters, gang, Small(/*shard=*/true));
    data_parallel.BeginStep();
    const at::Tensor loss = LossSum(parameters, 0, 0, 1, /*seldom=*/true);
    data_parallel.BeginBackward(loss);
    return ErrorOf([&] { loss.backward(); });
  });
  for (const std::string& error : errors) {
    EXPECT_EQ(error,
              "parameter 'seldom' of shape [5, 7, 3] took no part in the loss and has no gradient");
  }
}

TEST(Sharded, ParameterOfOtherStrides_IsContiguousThen) {
  const auto moved = OnRanks<bool>(2, [](const Gang& gang) {
    const at::Tensor weights = at::arange(6.0).view({2, 3}).t().set_requires_grad(true);
    const at::Tensor before = weights.detach().clone();
    const DataParallel data_parallel(Tensors{weights}, gang, Small(/*shard=*/true));
    return weights.is_contiguous() && at::equal(weights, before);
  });
  EXPECT_TRUE(moved[0] && moved[1]);
}

}  // namespace
}  // namespace muster::trainer
