#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "trainer/torch/autocast.h"
#include "trainer/trials/augment.h"
#include "trainer/trials/gpt/gpt_net.h"
#include "trainer/trials/resnet/resnet_net.h"
#include "trainer/trials/tabular/tabular_net.h"
#include "trainer/trials/two_tower/two_tower_net.h"

/// What the nets of the shipped trials compute, held against definitions written another way.

namespace muster::trials {
namespace {

using at::Tensor;
using ::testing::HasSubstr;

std::string ThrownBy(const std::function<void()>& function) {
  try {
    function();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "nothing";
}

constexpr GptShape kSmallGpt{.layers = 2, .heads = 2, .width = 8, .context = 6, .vocab = 10};

TEST(Gpt, Start_IsNormalAndSmallerWhereItAddsToTheStream) {
  at::manual_seed(1);
  const GptNet net({.layers = 8, .heads = 4, .width = 64, .context = 64, .vocab = 256});
  const auto parameters = net.named_parameters();
  EXPECT_NEAR(parameters["tokens.weight"].std().item<double>(), 0.02, 0.0005);
  EXPECT_NEAR(parameters["blocks.3.qkv.weight"].std().item<double>(), 0.02, 0.0005);
  EXPECT_NEAR(parameters["blocks.3.down.weight"].std().item<double>(), 0.005, 0.0002);
  EXPECT_NEAR(parameters["blocks.3.project.weight"].std().item<double>(), 0.005, 0.0002);
  EXPECT_EQ(parameters["norm.bias"].abs().sum().item<double>(), 0);
}

TEST(Gpt, LaterTokens_DoNotChangeEarlierLogits) {
  at::manual_seed(2);
  GptNet net(kSmallGpt);
  const Tensor tokens = at::randint(0, 10, {3, 6}, at::kByte);
  Tensor other = tokens.clone();
  other.slice(1, 4).fill_(9);
  const Tensor a = net.Forward(tokens), b = net.Forward(other);
  EXPECT_TRUE(at::equal(a.slice(1, 0, 4), b.slice(1, 0, 4)));
  EXPECT_FALSE(at::equal(a.slice(1, 4), b.slice(1, 4)));
}

TEST(Gpt, Loss_IsTheMeanOverPlacesOfEachRow) {
  at::manual_seed(3);
  GptNet net(kSmallGpt);
  const Tensor rows = at::randint(0, 10, {3, 6}, at::kByte);
  const Tensor logits = at::log_softmax(net.Forward(rows.slice(1, 0, 5)), -1);
  double sum = 0;
  for (int n = 0; n < 3; ++n) {
    for (int t = 0; t < 5; ++t)
      sum -= logits[n][t][rows[n][t + 1].item<std::int64_t>()].item<double>() / 5;
  }
  EXPECT_NEAR(net.LossSum(rows).item<double>(), sum, 1e-5);
}

TEST(Gpt, Recomputed_HasTheSameGradientsWithDropout) {
  const Tensor rows = at::randint(0, 10, {3, 6}, at::kByte);
  std::vector<std::vector<Tensor>> gradients;
  for (const bool recompute : {false, true}) {
    GptShape shape = kSmallGpt;
    shape.dropout = 0.3;
    shape.recompute = recompute;
    at::manual_seed(12);
    GptNet net(shape);
    at::manual_seed(13);
    net.LossSum(rows).backward();
    std::vector<Tensor>& own = gradients.emplace_back();
    for (const Tensor& parameter : net.parameters()) own.push_back(parameter.grad());
  }
  for (std::size_t i = 0; i < gradients[0].size(); ++i)
    EXPECT_TRUE(at::equal(gradients[0][i], gradients[1][i])) << i;
}

TEST(Gpt, ShapesThatDoNotFit_AreNamed) {
  EXPECT_THAT(ThrownBy([] { GptNet({.heads = 6, .width = 100}); }),
              HasSubstr("width 100 is no multiple of heads 6"));
  GptNet net(kSmallGpt);
  EXPECT_THAT(ThrownBy([&] { net.LossSum(at::zeros({2, 8}, at::kByte)); }),
              HasSubstr("rows of 7 tokens, wanted at most context, 6"));
  EXPECT_THAT(ThrownBy([&] { net.LossSum(at::zeros({2, 1}, at::kByte)); }),
              HasSubstr("rows of 1 tokens, wanted 2 or more"));
}

// Every rank must give gradients for every parameter, also one whose share of a last batch is empty.
template <typename Net>
void ExpectGradientsOfNoRows(Net& net, const Tensor& loss) {
  loss.backward();
  EXPECT_EQ(loss.item<double>(), 0);
  for (const auto& parameter : net.named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    EXPECT_EQ(parameter.value().grad().abs().sum().template item<double>(), 0) << parameter.key();
  }
  for (const auto& buffer : net.named_buffers()) {
    EXPECT_TRUE(buffer.value().isfinite().all().template item<bool>()) << buffer.key();
  }
}

TEST(Nets, NoRows_GiveGradientsOfZero) {
  GptNet gpt(kSmallGpt);
  ExpectGradientsOfNoRows(gpt, gpt.LossSum(at::zeros({0, 6}, at::kByte)));
  for (const bool channels_last : {false, true}) {
    ResNet resnet({.width = 4, .crop = 1, .flip = true, .channels_last = channels_last});
    ExpectGradientsOfNoRows(resnet, resnet.Forward(at::zeros({0, 3, 8, 8}, at::kByte)).sum());
  }
  TabularNet tabular({.features = 4, .categories = 1});
  tabular.See(at::zeros({0, 4}), at::zeros({0}, at::kLong));
  ExpectGradientsOfNoRows(
      tabular, at::cross_entropy_loss(tabular.Forward(at::zeros({0, 4})), at::zeros({0}, at::kLong),
                                      tabular.ClassWeights(), at::Reduction::Sum));
  TwoTowerNet towers({.items = 5, .genres = 3, .width = 4, .hidden = 4});
  const auto ids = at::TensorOptions(at::kInt);
  ExpectGradientsOfNoRows(
      towers,
      towers.Judge(at::zeros({0, 3}, ids), at::zeros({0}, ids), at::zeros({0, 2}, ids)).loss_sum);
}

TEST(Nets, OneRow_IsNormalisedByWhatWasSeenBefore) {
  ResNet net({.width = 4});
  const Tensor out = net.Forward(at::rand({1, 3, 4, 4}) * 255);
  EXPECT_TRUE(out.isfinite().all().item<bool>());
  for (const auto& buffer : net.named_buffers())
    EXPECT_TRUE(buffer.value().isfinite().all().item<bool>()) << buffer.key();
}

// On a CPU; what differs on a GPU is the list of operators that stay in fp32.
TEST(Nets, LossInBf16_IsCloseToThatInFp32) {
  at::manual_seed(11);
  GptNet gpt(kSmallGpt);
  ResNet resnet({.width = 4});
  TabularNet tabular({.features = 4, .categories = 1});
  TwoTowerNet towers({.items = 50, .genres = 3, .width = 8, .hidden = 8});
  const auto ids = at::TensorOptions(at::kLong);
  const Tensor tokens = at::randint(0, 10, {16, 6}, at::kByte),
               labels = at::randint(0, 2, {16}, ids);
  const Tensor images = at::randint(0, 256, {16, 3, 8, 8}, at::kByte), table = at::rand({16, 4});
  const Tensor history = at::randint(0, 50, {16, 5}, ids), item = at::randint(1, 51, {16}, ids),
               genres = at::ones({16, 1}, ids);
  tabular.See(table, labels);
  const auto losses = [&](trainer::Precision precision) {
    const trainer::Autocast autocast(at::kCPU, precision);
    const auto of = [&](const Tensor& logits) {
      return at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum);
    };
    std::vector<Tensor> sums = {gpt.LossSum(tokens), of(resnet.Forward(images)),
                                of(tabular.Forward(table)),
                                towers.Judge(history, item, genres).loss_sum};
    for (const Tensor& sum : sums) sum.backward();
    return sums;
  };
  const auto exact = losses(trainer::Precision::kFp32), coarse = losses(trainer::Precision::kBf16);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    EXPECT_NEAR(coarse[i].item<double>() / exact[i].item<double>(), 1, 0.05) << i;
  }
}

TEST(ResNet, HasTheParametersOfTheUsualOne) {
  const ResNet net({});
  std::int64_t count = 0;
  for (const Tensor& parameter : net.parameters()) count += parameter.numel();
  EXPECT_EQ(count, 11'173'962);
}

TEST(ResNet, ChannelsLast_ComputesTheSame) {
  const Tensor pixels = at::randint(0, 256, {4, 3, 16, 16}, at::kByte);
  std::vector<Tensor> outputs;
  for (const bool channels_last : {false, true}) {
    at::manual_seed(4);
    ResNet net({.width = 8, .channels_last = channels_last});
    outputs.push_back(net.Forward(pixels));
  }
  EXPECT_TRUE(at::allclose(outputs[0], outputs[1], 1e-4, 1e-4));
}

TEST(Augment, Cropped_AreTheImageAtAPlaceWithinReach) {
  at::manual_seed(5);
  const Tensor images =
      at::arange(1, 1 + 2 * 4 * 4, at::kFloat).view({1, 2, 4, 4}).repeat({64, 1, 1, 1});
  const Tensor cropped = RandomlyCropped(images, 1);
  ASSERT_EQ(cropped.sizes(), images.sizes());
  const Tensor padded = at::constant_pad_nd(images[0], {1, 1, 1, 1});
  std::set<int> places;
  for (int n = 0; n < 64; ++n) {
    for (int place = 0; place < 9; ++place) {
      if (at::equal(cropped[n],
                    padded.slice(1, place / 3, place / 3 + 4).slice(2, place % 3, place % 3 + 4)))
        places.insert(place);
    }
  }
  EXPECT_EQ(places.size(), 9U);
}

TEST(Augment, Flipped_AreTheImageOrItsMirror) {
  at::manual_seed(6);
  const Tensor images = at::arange(8, at::kByte).view({1, 1, 2, 4}).repeat({50, 1, 1, 1});
  const Tensor flipped = RandomlyFlipped(images);
  int mirrored = 0;
  for (int n = 0; n < 50; ++n) {
    const bool mirror = at::equal(flipped[n], images[n].flip(2));
    EXPECT_TRUE(mirror || at::equal(flipped[n], images[n]));
    mirrored += mirror ? 1 : 0;
  }
  EXPECT_GT(mirrored, 10);
  EXPECT_LT(mirrored, 40);
}

TEST(Tabular, Weights_AreNegativesToAPositive) {
  TabularNet net({.features = 2});
  net.See(at::zeros({9, 2}), at::tensor({1, 0, 0, 0, 0, 0, 0, 0, 0}, at::kLong));
  net.See(at::zeros({1, 2}), at::tensor({0}, at::kLong));
  EXPECT_TRUE(at::allclose(net.ClassWeights(), at::tensor({1.0F, 5.0F})));  // (9 + 1) / (1 + 1)
  EXPECT_TRUE(at::allclose(TabularNet({.features = 2, .positive_weight = 7}).ClassWeights(),
                           at::tensor({1.0F, 7.0F})));
}

TEST(Tabular, Scales_AreThoseOfAllRowsSeen_NotOfTheBatch) {
  at::manual_seed(7);
  TabularNet net({.features = 3, .layers = 0});
  const Tensor rows =
      at::randn({100, 3}) * at::tensor({1e-3F, 1.0F, 1e5F}) + at::tensor({0.0F, 50.0F, 1e6F});
  const Tensor labels = at::zeros({100}, at::kLong);
  for (int i = 0; i < 100; i += 20) net.See(rows.slice(0, i, i + 20), labels.slice(0, i, i + 20));
  const auto parameters = net.named_parameters();
  const Tensor standard = (rows - rows.mean(0)) / rows.std(0, /*unbiased=*/false);
  const Tensor wanted =
      at::linear(standard, parameters["classes.weight"], parameters["classes.bias"]);
  EXPECT_TRUE(at::allclose(net.Forward(rows), wanted, 1e-3, 1e-3));
}

TEST(Tabular, Categories_AreTakenModuloTheBuckets) {
  TabularNet net({.features = 2, .categories = 1, .buckets = 5});
  net.eval();
  const Tensor out = net.Forward(at::tensor({0.5F, 3.0F, 0.5F, 8.0F, 0.5F, 4.0F}).view({3, 2}));
  EXPECT_TRUE(at::equal(out[0], out[1]));
  EXPECT_FALSE(at::equal(out[0], out[2]));
  EXPECT_THAT(ThrownBy([&] { net.Forward(at::zeros({1, 3})); }),
              HasSubstr("rows of 3 features, wanted features, 2"));
}

TEST(TwoTower, Users_AreByTheMeanOfTheirItems_WithoutFillers) {
  at::manual_seed(8);
  TwoTowerNet net({.items = 9, .genres = 3, .width = 4, .hidden = 8});
  const auto users = [&](const std::vector<std::int64_t>& ids) {
    return net.Users(at::tensor(ids, at::kLong).unsqueeze(0));
  };
  EXPECT_TRUE(at::allclose(users({3, 5, 0, 0}), users({5, 0, -1, 3})));
  EXPECT_FALSE(at::allclose(users({3, 5, 0, 0}), users({3, 5, 5, 0})));
  EXPECT_NEAR(users({3, 5}).norm().item<double>(), 1, 1e-5);
  EXPECT_TRUE(users({0, 0}).isfinite().all().item<bool>());
}

TEST(TwoTower, CopiesOfTheOwnItem_AreNoWrongAnswers) {
  at::manual_seed(9);
  TwoTowerNet net({.items = 9, .genres = 3, .width = 4, .hidden = 8, .temperature = 0.5});
  net.eval();
  const Tensor history = at::randint(1, 10, {3, 4}, at::kLong);
  const Tensor item = at::tensor({7, 2, 7}, at::kLong),
               genres = at::tensor({1, 2, 1}, at::kLong).unsqueeze(1);
  const auto [loss, scores] = net.Judge(history, item, genres);
  const Tensor plain = at::matmul(net.Users(history), net.Items(item, genres).t()) / 0.5;
  double wanted = 0;  // rows 0 and 2 have two candidates each, row 1 has three
  for (const auto& [row, own, others] : std::vector<std::tuple<int, int, std::vector<int>>>{
           {0, 0, {1}}, {1, 1, {0, 2}}, {2, 2, {1}}}) {
    double all = std::exp(plain[row][own].item<double>());
    for (const int other : others) all += std::exp(plain[row][other].item<double>());
    wanted += std::log(all) - plain[row][own].item<double>();
  }
  EXPECT_NEAR(loss.item<double>(), wanted, 1e-5);
  EXPECT_TRUE(scores[0][2].isinf().item<bool>());
}

TEST(TwoTower, OftenMetItems_AreWeighedDown) {
  at::manual_seed(10);
  TwoTowerNet net({.items = 3, .genres = 1, .width = 4, .hidden = 8});
  const auto ids = at::TensorOptions(at::kLong);
  const Tensor history = at::ones({2, 1}, ids), item = at::tensor({1, 2}, ids),
               genres = at::ones({2, 1}, ids);
  (void)net.Judge(history, item, genres);
  for (int i = 0; i < 3; ++i) (void)net.Judge(history, at::tensor({1, 3}, ids), genres);
  net.eval();
  const auto [loss, scores] = net.Judge(history, item, genres);
  // Counted in training, not in validation.
  EXPECT_TRUE(at::equal(net.named_buffers()["met"], at::tensor({0, 4, 1, 3}, ids)));
  const Tensor weighed = scores - at::tensor({std::log(5.0), std::log(2.0)}).to(at::kFloat);
  EXPECT_NEAR(loss.item<double>(), -at::log_softmax(weighed, 1).diagonal().sum().item<double>(),
              1e-5);
}

}  // namespace
}  // namespace muster::trials
