#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "tuner/space.h"

namespace muster::tuner {
namespace {

std::shared_ptr<const Space> Make(const char* space,
                                  const std::vector<std::string>& constraints = {}) {
  return *ParseSpace(boost::json::parse(space).as_object(), constraints);
}

constexpr const char* kOlder =
    R"({"lr":{"float":[1e-3,1],"log":true},"batch":{"int":[16,128],"step":16},"o":{"choice":["a","b"]},
        "m":{"float":[0,1],"when":{"o":"b"}}})";

std::string Refusal(const char* newer, const std::vector<std::string>& constraints = {}) {
  const Status status = Widens(*Make(kOlder), *Make(newer, constraints));
  return status.ok() ? "" : status.error().message;
}

TEST(Widens, WiderRangeFinerStepNewChoiceNewParameter_KeepOldPoints) {
  const char* newer =
      R"({"new":{"float":[0,1]},"o":{"choice":["c","a","b"]},"lr":{"float":[1e-4,2],"log":true},
          "batch":{"int":[8,256],"step":8},"m":{"float":[-1,1],"when":{"o":["b","c"]}}})";
  EXPECT_EQ(Refusal(newer, {"new * lr < 1"}), "");
  const auto older = Make(kOlder), wide = Make(newer);
  // The promise itself: old points are points of the new space once it is asked without its new parameter.
  for (std::uint64_t stream = 0; stream < 200; ++stream) {
    Params params = older->Decode(older->Draw(Random(1, stream)));
    params["new"] = 0.5;
    const Status status = wide->Check(params);
    EXPECT_TRUE(status.ok()) << status.error().message;
  }
}

TEST(Widens, WhatIsLost_IsNamed) {
  EXPECT_EQ(Refusal(R"({"lr":{"float":[1e-3,1],"log":true}})"), "at batch: it is gone");
  const auto with = [](const char* lr, const char* batch, const char* o, const char* when) {
    return Refusal((std::string("{\"lr\":") + lr + ",\"batch\":" + batch + ",\"o\":{\"choice\":" +
                    o + "},\"m\":{\"float\":[0,1],\"when\":{\"o\":" + when + "}}}")
                       .c_str());
  };
  const char *lr = R"({"float":[1e-3,1]})", *batch = R"({"int":[16,128],"step":16})",
             *o = R"(["a","b"])", *when = R"("b")";
  EXPECT_EQ(with(lr, batch, o, when), "");
  EXPECT_EQ(with(R"({"float":[1e-2,1]})", batch, o, when),
            "at lr: wanted bounds that hold [0.001, 1], got [0.01, 1]");
  EXPECT_EQ(with(R"({"float":[0,1],"step":0.1})", batch, o, when),
            "at lr: its values are no longer those of steps of 0.1 from 0");
  EXPECT_EQ(with(R"({"int":[0,1]})", batch, o, when), "at lr: float and int may not change places");
  EXPECT_EQ(with(lr, R"({"int":[16,144],"step":32})", o, when),
            "at batch: its values are no longer those of steps of 32 from 16");
  EXPECT_EQ(with(lr, R"({"choice":[16,128]})", o, when),
            "at batch: numbers and choices may not change places");
  EXPECT_EQ(with(lr, batch, R"(["b","c"])", when), "at o: its choice a is gone");
  EXPECT_EQ(with(lr, batch, o, R"(["a","b"])"),
            "at m.when: it is no longer active in the same points");
}

TEST(Widens, Constraints_MayGoButNotCome) {
  const auto free = Make(kOlder), held = Make(kOlder, {"lr < 0.5"});
  EXPECT_TRUE(Widens(*held, *free).ok());
  EXPECT_TRUE(Widens(*held, *held).ok());
  EXPECT_EQ(Widens(*free, *held).error().message,
            "at constraints: lr < 0.5 may not hold of older points");
}

}  // namespace
}  // namespace muster::tuner
