#include "trainer/torch/model_state.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace muster::trainer {
namespace {

NamedTensors Pair() {
  return {{"model.w", at::full({2, 3}, 1.5)}, {"optimizer.mean.0", at::full({6}, 2.5)}};
}

std::vector<StoredTensor> Stored(const NamedTensors& tensors) {
  auto stored = StoreTensors(tensors);
  EXPECT_TRUE(stored.ok());
  return std::move(stored).value();
}

std::string Refusal(const std::vector<StoredTensor>& stored, const NamedTensors& tensors) {
  const Status status = LoadTensors(stored, tensors);
  EXPECT_FALSE(status.ok());
  if (status.ok()) return "";
  EXPECT_EQ(status.error().kind, ErrorKind::kInvalid);
  return status.error().message;
}

TEST(ModelState, EveryTypeAndLayout_ComesBack) {
  NamedTensors tensors;
  for (const auto type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                          at::kShort, at::kChar, at::kByte, at::kBool}) {
    tensors.emplace_back("model." + std::string(c10::toString(type)),
                         at::arange(12).reshape({3, 4}).to(type));
  }
  tensors.emplace_back("model.scalar", at::full({}, 3.25));
  tensors.emplace_back("model.empty", at::empty({0, 4}));
  tensors.emplace_back("model.transposed", at::arange(12.0).reshape({3, 4}).t());
  tensors.emplace_back(
      "model.channels_last",
      at::arange(48.0).reshape({2, 2, 3, 4}).contiguous(at::MemoryFormat::ChannelsLast));
  const auto stored = Stored(tensors);
  NamedTensors live;
  for (const auto& [name, tensor] : tensors) live.emplace_back(name, at::zeros_like(tensor));
  const Status loaded = LoadTensors(stored, live);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  for (std::size_t i = 0; i < live.size(); ++i) {
    EXPECT_TRUE(at::equal(live[i].second, tensors[i].second)) << live[i].first;
    EXPECT_EQ(live[i].second.strides(), tensors[i].second.strides()) << live[i].first;
  }
}

TEST(ModelState, AnotherModel_EveryDifferenceIsNamedAndNothingIsChanged) {
  const auto stored = Stored({{"model.same", at::ones({2})},
                              {"model.shape", at::ones({2, 3})},
                              {"model.type", at::ones({4}, at::kLong)},
                              {"model.old", at::ones({5})}});
  const NamedTensors live = {{"model.same", at::zeros({2})},
                             {"model.shape", at::zeros({3, 2})},
                             {"model.type", at::zeros({4})},
                             {"model.young", at::zeros({})}};
  EXPECT_EQ(
      Refusal(stored, live),
      "the checkpoint is of another model: its 'model.shape' is FP32 [2, 3], wanted FP32 [3, 2]; "
      "its "
      "'model.type' is INT64 [4], wanted FP32 [4]; it has no 'model.young', wanted FP32 []; it has "
      "'model.old' (FP32 [5]), which is not wanted");
  for (const auto& [name, tensor] : live) EXPECT_EQ(tensor.sum().item<double>(), 0) << name;
}

TEST(ModelState, ManyDifferences_TenAreNamedTheRestIsCounted) {
  NamedTensors live;
  for (int i = 0; i < 22; ++i) live.emplace_back("model." + std::to_string(i), at::zeros({1}));
  const std::string message = Refusal({}, live);
  EXPECT_NE(message.find("'model.9'"), std::string::npos) << message;
  EXPECT_EQ(message.find("'model.10'"), std::string::npos) << message;
  EXPECT_TRUE(message.ends_with("; and 12 more")) << message;
}

TEST(ModelState, GroupsThatNobodyAsksFor_AreLeftAlone) {
  auto saved = Pair();
  saved.emplace_back("ema.w", at::full({2, 3}, 7.5));
  saved.emplace_back("scaler.scale", at::full({}, 65536.0));
  Checkpoint checkpoint;
  checkpoint.tensors = Stored(saved);
  EXPECT_TRUE(HasGroup(checkpoint, "ema"));
  EXPECT_TRUE(HasGroup(checkpoint, "scaler"));
  EXPECT_FALSE(HasGroup(checkpoint, "schedule"));
  const NamedTensors model = {{"model.w", at::zeros({2, 3})}};
  ASSERT_TRUE(LoadTensors(checkpoint.tensors, model).ok());
  EXPECT_TRUE(at::equal(model[0].second, saved[0].second));
}

TEST(ModelState, OptionalGroupOfAnOlderCheckpoint_IsTheCallersToAskFor) {
  Checkpoint old;
  old.tensors = Stored(Pair());
  NamedTensors live = {{"model.w", at::zeros({2, 3})}, {"optimizer.mean.0", at::zeros({6})}};
  EXPECT_FALSE(HasGroup(old, "ema"));
  EXPECT_TRUE(LoadTensors(old.tensors, live).ok());
  live.emplace_back("ema.w", at::zeros({2, 3}));
  EXPECT_EQ(Refusal(old.tensors, live),
            "the checkpoint is of another model: it has no 'ema.w', wanted FP32 [2, 3]");
}

TEST(ModelState, TypeThatCheckpointsDoNotHold_IsNamed) {
  const auto stored = StoreTensors({{"model.c", at::zeros({2}, at::kComplexFloat)}});
  ASSERT_FALSE(stored.ok());
  EXPECT_EQ(stored.error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(stored.error().message,
            "tensor 'model.c' is of type ComplexFloat, which checkpoints do not hold");
}

}  // namespace
}  // namespace muster::trainer
