#include "trainer/params.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace muster::trainer {
namespace {

boost::json::object Json(const char* text) { return boost::json::parse(text).as_object(); }

Result<Params> Read(const char* text) {
  return ReadParams(WithLoopParams({IntParam("width", 32, 1, 64, "channels")}), Json(text));
}

std::string Refusal(const char* text) {
  const auto params = Read(text);
  return params.ok() ? "accepted" : params.error().message;
}

TEST(Params, Given_WinsOverFallback) {
  const auto params = Read(R"({"width": 16, "lr": 1, "optimizer": "sgd", "momentum": null})");
  ASSERT_TRUE(params.ok()) << params.error().message;
  EXPECT_EQ(params->Int("width"), 16);
  EXPECT_EQ(params->Float("lr"), 1.0);
  EXPECT_EQ(params->Text("optimizer"), "sgd");
  EXPECT_EQ(params->Float("momentum"), 0.9);
  EXPECT_EQ(params->Int("batch_size"), 64);
}

TEST(Params, Wrong_NamesParameterValueAndWanted) {
  EXPECT_EQ(Refusal(R"({"width": 65})"),
            "parameter 'width': wanted a whole number from 1 up to 64, got 65");
  EXPECT_EQ(Refusal(R"({"optimizer": "adam"})"),
            "parameter 'optimizer': wanted one of adamw, sgd, got \"adam\"");
  EXPECT_NE(Refusal(R"({"widht": 3})").find("parameter 'widht' is not one of this trial's: width"),
            std::string::npos);
  EXPECT_NE(Refusal(R"({"lr": "NaN"})"), "accepted");
  EXPECT_NE(Refusal(R"({"width": 1.5})"), "accepted");
}

TEST(Params, OwnDeclaration_ReplacesTheLoops) {
  const auto specs = WithLoopParams({FloatParam("lr", 0.5, 0, 1, "mine")});
  const auto params = ReadParams(specs, {});
  ASSERT_TRUE(params.ok());
  EXPECT_EQ(params->Float("lr"), 0.5);
}

TEST(TrialFile, AsTheCoordinatorWritesIt_IsRead) {
  const auto file = ReadTrialFile(R"({"params": {"lr": 0.1}, "data": {"train": "t.h5"}, "seed": 7,
      "trial": "d/3", "objective": {"metric": "validation/loss", "goal": "minimize"}})");
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->data.at("train"), "t.h5");
  EXPECT_EQ(file->seed, 7);
  EXPECT_EQ(file->metric, "validation/loss");
  EXPECT_FALSE(file->maximize);
}

TEST(TrialFile, WrongType_NamesThePath) {
  const auto file = ReadTrialFile(R"({"data": {"train": 3}})");
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.error().message.find("data.train"), std::string::npos) << file.error().message;
}

}  // namespace
}  // namespace muster::trainer
