#include "registry/openvino/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "tests/support/tiny_onnx.h"

namespace muster::registry {
namespace {

using muster::testing::LinearModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
Tensor MakeTensor(std::string name, ElementType type, std::vector<std::int64_t> shape,
                  const std::vector<T>& values) {
  Tensor tensor{std::move(name), type, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}
template <typename T>
std::vector<T> Values(const Tensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

class OpenVinoEngineTest : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::unique_ptr<InferenceModel> Load(const muster::testing::TinyOnnx& onnx) {
    onnx.Write(folder_ / "model.onnx");
    auto model = engine_->Load(folder_ / "model.onnx", 1);
    EXPECT_TRUE(model.ok()) << model.error().message;
    return std::move(model).value();
  }
  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) /
      ("openvino-" + std::to_string(::getpid()) + "-" +
       ::testing::UnitTest::GetInstance()->current_test_info()->name());
  std::unique_ptr<InferenceEngine> engine_ = MakeOpenVinoEngine();
};

TEST_F(OpenVinoEngineTest, Infer_DynamicBatch_AnyRows) {
  const auto model = Load(LinearModel({1, 2}));
  ASSERT_EQ(model->inputs().size(), 1U);
  EXPECT_EQ(model->inputs()[0].name, "x");
  EXPECT_THAT(model->inputs()[0].shape, ElementsAre(-1, 2));
  EXPECT_EQ(model->outputs()[0].name, "y");
  const auto two = model->Infer({MakeTensor<float>("x", ElementType::kF32, {2, 2}, {1, 2, 3, 4})});
  ASSERT_TRUE(two.ok()) << two.error().message;
  EXPECT_THAT(two->at(0).shape, ElementsAre(2, 1));
  EXPECT_THAT(Values<float>(two->at(0)), ElementsAre(5, 11));
  const auto one = model->Infer({MakeTensor<float>("x", ElementType::kF32, {1, 2}, {1, 1})});
  EXPECT_THAT(Values<float>(one->at(0)), ElementsAre(3));
  const auto none = model->Infer({MakeTensor<float>("x", ElementType::kF32, {0, 2}, {})});
  ASSERT_TRUE(none.ok()) << none.error().message;
  EXPECT_THAT(none->at(0).shape, ElementsAre(0, 1));
}

TEST_F(OpenVinoEngineTest, Infer_IntegersAndBools_KeepTheirTypes) {
  muster::testing::TinyOnnx onnx;
  onnx.Input("a", muster::testing::kOnnxInt64, {-1});
  onnx.Input("b", muster::testing::kOnnxInt64, {-1});
  onnx.Output("sum", muster::testing::kOnnxInt64, {-1});
  onnx.Output("less", muster::testing::kOnnxBool, {-1});
  onnx.Node("Add", {"a", "b"}, "sum");
  onnx.Node("Less", {"a", "b"}, "less");
  const auto model = Load(onnx);
  const auto answer = model->Infer({MakeTensor<std::int64_t>("b", ElementType::kI64, {2}, {5, 6}),
                                    MakeTensor<std::int64_t>("a", ElementType::kI64, {2}, {1, 9})});
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_THAT(Values<std::int64_t>(answer->at(0)), ElementsAre(6, 15));
  EXPECT_EQ(answer->at(1).type, ElementType::kBool);
  EXPECT_THAT(Values<std::uint8_t>(answer->at(1)), ElementsAre(1, 0));
}

TEST_F(OpenVinoEngineTest, Infer_WrongInputs_InvalidNamesBothSides) {
  const auto model = Load(LinearModel({1, 2}));
  const auto message = [&](const std::vector<Tensor>& inputs) {
    const auto answer = model->Infer(inputs);
    EXPECT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().kind, ErrorKind::kInvalid);
    return answer.error().message;
  };
  const auto good = MakeTensor<float>("x", ElementType::kF32, {1, 2}, {1, 2});
  EXPECT_THAT(message({}), HasSubstr("'x' is missing"));
  EXPECT_THAT(message({good, good}), HasSubstr("twice"));
  EXPECT_THAT(message({MakeTensor<float>("z", ElementType::kF32, {1, 2}, {1, 2})}),
              HasSubstr("no input 'z'; it has x"));
  EXPECT_THAT(message({MakeTensor<float>("x", ElementType::kF32, {1, 3}, {1, 2, 3})}),
              HasSubstr("[1,3], the model wants [-1,2]"));
  EXPECT_THAT(message({MakeTensor<double>("x", ElementType::kF64, {1, 2}, {1, 2})}),
              HasSubstr("is FP64, the model wants FP32"));
  EXPECT_THAT(message({MakeTensor<float>("x", ElementType::kF32, {2, 2}, {1, 2})}),
              HasSubstr("has 8 bytes, shape [2,2] wants 16"));
  EXPECT_THAT(message({MakeTensor<float>("x", ElementType::kF32, {-1, 2}, {1, 2})}),
              HasSubstr("[-1,2]"));
}

TEST_F(OpenVinoEngineTest, Infer_ManyThreads_EachItsOwnAnswer) {
  const auto model = Load(LinearModel({1, 2}));
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t thread = 0; thread < wrong.size(); ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 200; ++i) {
        const auto x = static_cast<float>(i * 10 + static_cast<int>(thread));
        const auto answer =
            model->Infer({MakeTensor<float>("x", ElementType::kF32, {1, 2}, {x, 1})});
        if (!answer.ok() || Values<float>(answer->at(0))[0] != x + 2) ++wrong[thread];
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

TEST_F(OpenVinoEngineTest, Load_MissingOrBroken_ErrorNamesTheFile) {
  const auto missing = engine_->Load(folder_ / "none.onnx", 1);
  EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ / "bad.onnx") << "this is no model";
  const auto bad = engine_->Load(folder_ / "bad.onnx", 1);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(bad.error().message, HasSubstr("bad.onnx"));
}

TEST_F(OpenVinoEngineTest, Name_HasTheVersion) {
  EXPECT_THAT(engine_->name(), ::testing::MatchesRegex("OpenVINO [0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST(ElementType, NamesRoundTrip) {
  for (const auto* name : {"FP32", "FP64", "FP16", "BF16", "INT8", "INT16", "INT32", "INT64",
                           "UINT8", "UINT16", "UINT32", "UINT64", "BOOL"}) {
    const auto type = ElementTypeFromName(name);
    ASSERT_TRUE(type.ok());
    EXPECT_EQ(ElementTypeName(*type), name);
  }
  EXPECT_THAT(ElementTypeFromName("BYTES").error().message, HasSubstr("'BYTES'"));
}

TEST(ElementCount, RefusesWhatCannotBe) {
  EXPECT_EQ(*ElementCount({}), 1);
  EXPECT_EQ(*ElementCount({2, 0, 3}), 0);
  EXPECT_FALSE(ElementCount({-1}).ok());
  EXPECT_FALSE(ElementCount({1LL << 40, 1LL << 40}).ok());
}

}  // namespace
}  // namespace muster::registry
