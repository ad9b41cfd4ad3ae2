#include "registry/inference_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "registry/openvino/engine.h"
#ifdef MUSTER_TEST_ONNXRUNTIME
#include "registry/onnxruntime/engine.h"
#endif
#include "tests/registry/serve/tensors.h"
#include "tests/support/tiny_onnx.h"

/// What every engine does, whichever library computes.

namespace muster::registry {
namespace {

using muster::testing::LinearModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using serve::MakeTensor;
using serve::Values;

struct Engine {
  std::string name;
  std::unique_ptr<InferenceEngine> (*make)();
  std::string says;  ///< its name(), a pattern
};
void PrintTo(const Engine& engine, std::ostream* out) { *out << engine.name; }

class InferenceEngineTest : public ::testing::TestWithParam<Engine> {
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
      ("engine-" + GetParam().name + "-" + std::to_string(::getpid()));
  std::unique_ptr<InferenceEngine> engine_ = GetParam().make();
};

TEST_P(InferenceEngineTest, Infer_IntegersBeyond32Bits_ExactOrRefused) {
  muster::testing::TinyOnnx onnx;
  onnx.Input("x", muster::testing::kOnnxInt64, {-1});
  onnx.Node("Identity", {"x"}, "y");
  onnx.Output("y", muster::testing::kOnnxInt64, {-1});
  const auto model = Load(onnx);
  constexpr std::int64_t kLargest = 0x7FFFFFFF;
  for (const std::int64_t value :
       {kLargest, -kLargest - 1, kLargest + 1, -kLargest - 2, std::int64_t{1} << 62}) {
    const auto answer =
        model->Infer({MakeTensor<std::int64_t>("x", ElementType::kI64, {2}, {7, value})});
    if (answer.ok()) {
      EXPECT_THAT(Values<std::int64_t>(answer->at(0)), ElementsAre(7, value));
    } else {
      EXPECT_EQ(answer.error().kind, ErrorKind::kInvalid);
      EXPECT_THAT(answer.error().message,
                  HasSubstr("input 'x' holds " + std::to_string(value) + "; "));
      EXPECT_GT(std::abs(value), kLargest) << "32 bits are no reason";
    }
  }
}

TEST_P(InferenceEngineTest, Infer_DynamicBatch_AnyRows) {
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

TEST_P(InferenceEngineTest, Infer_IntegersAndBools_KeepTheirTypes) {
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

TEST_P(InferenceEngineTest, Infer_WrongInputs_InvalidNamesBothSides) {
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

TEST_P(InferenceEngineTest, Infer_ManyThreads_EachItsOwnAnswer) {
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

TEST_P(InferenceEngineTest, Load_MissingOrBroken_ErrorNamesTheFile) {
  const auto missing = engine_->Load(folder_ / "none.onnx", 1);
  EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ / "bad.onnx") << "this is no model";
  const auto bad = engine_->Load(folder_ / "bad.onnx", 1);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(bad.error().message, HasSubstr("bad.onnx"));
}

TEST_P(InferenceEngineTest, Name_HasTheVersion) {
  EXPECT_THAT(engine_->name(), ::testing::MatchesRegex(GetParam().says));
}

const std::vector<Engine>& Engines() {
  static const std::vector<Engine> engines{
      {"openvino", MakeOpenVinoEngine, "OpenVINO [0-9]+\\.[0-9]+\\.[0-9]+"},
#ifdef MUSTER_TEST_ONNXRUNTIME
      {"onnxruntime", [] { return MakeOnnxRuntimeEngine(MUSTER_TEST_ONNXRUNTIME).value(); },
       "ONNX Runtime [0-9]+\\.[0-9]+\\.[0-9]+"},
#endif
  };
  return engines;
}
INSTANTIATE_TEST_SUITE_P(All, InferenceEngineTest, ::testing::ValuesIn(Engines()),
                         [](const auto& info) { return info.param.name; });

#ifdef MUSTER_TEST_ONNXRUNTIME
TEST(OnnxRuntimeEngine, NoLibrary_IsSaidWithItsName) {
  const auto none = MakeOnnxRuntimeEngine("/nowhere/libonnxruntime.so");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().kind, ErrorKind::kIo);
  EXPECT_THAT(none.error().message, HasSubstr("/nowhere/libonnxruntime.so"));
}
#endif

}  // namespace
}  // namespace muster::registry
