#include "tuner/constraint.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>
#include <set>

#include "tests/tuner/search_rig.h"
#include "tuner/space.h"

namespace muster::tuner {
namespace {

constexpr const char* kSpace =
    R"({"lr":{"float":[1e-4,1],"log":true},"batch":{"int":[1,1024],"log":true},
        "layers":{"int":[1,8]},"width":{"choice":[128,256,512]},
        "optimizer":{"choice":["adam","sgd"]},"nesterov":{"choice":[true,false]},
        "odd":{"choice":[1,"auto",false]},
        "momentum":{"float":[0,1],"when":{"optimizer":"sgd"}},"odd name":{"float":[0,1]}})";

Result<std::shared_ptr<const Space>> Make(const char* space, std::vector<std::string> constraints) {
  return ParseSpace(boost::json::parse(space).as_object(), constraints);
}

std::string ErrorOf(const char* space, std::vector<std::string> constraints) {
  const auto made = Make(space, std::move(constraints));
  return made.ok() ? "no error" : made.error().message;
}

bool Holds(const std::string& text, const Params& params) {
  const auto space = Make(kSpace, {text});
  EXPECT_TRUE(space.ok()) << space.error().message;
  return (*space)->Check(params).ok();
}

Params Some() {
  return {{"lr", 0.01},
          {"batch", std::int64_t{64}},
          {"layers", std::int64_t{4}},
          {"width", std::int64_t{256}},
          {"optimizer", std::string("sgd")},
          {"nesterov", true},
          {"odd", std::string("auto")},
          {"momentum", 0.75},
          {"odd name", 0.5}};
}

TEST(Constraint, Operators_AreThoseOfArithmeticAndLogic) {
  const std::vector<std::pair<std::string, bool>> cases{
      {"lr * batch < 1", true},
      {"lr * batch < 0.6", false},
      {"layers - 1 - 1 == 2", true},
      {"layers / 2 / 2 == 1", true},
      {"1 + layers * 2 == 9", true},
      {"-layers < -3 and - -layers == 4", true},
      {"2 * (1 + layers) == 10", true},
      {"layers <= 4 or width < 512", true},
      {"layers < 4 or width > 256", false},
      {"layers > 4 or width == 256 and lr < 1e-3", false},  // and binds tighter
      {"(layers == 4 or width == 128) and lr < 0.1", true},
      {"not layers == 4", false},
      {"not not layers == 4", true},
      {"optimizer != 'adam'", true},
      {"optimizer == \"sgd\"", true},
      {"nesterov", true},
      {"nesterov == false or layers != 4", false},
      {"odd == 'auto'", true},
      {"odd == 1 or odd == false", false},
      {"odd != 1", true},
      {"`odd name` >= .5", true},
      {"layers >= 4.0 and layers <= 4", true},
      {"momentum / (layers - 4) > 0", true},                       // infinity
      {"not (momentum - 0.75) / (layers - 4) >= 0", true},         // NaN
      {"(momentum - 0.75) / (layers - 4) == 0 or lr > 1", false},  // NaN
  };
  for (const auto& [text, wanted] : cases) EXPECT_EQ(Holds(text, Some()), wanted) << text;
}

TEST(Constraint, AnInactiveParameterIsMentioned_Holds) {
  Params params = Some();
  params["optimizer"] = std::string("adam");
  params.erase("momentum");
  EXPECT_TRUE(Holds("momentum > 0.9", params));
  EXPECT_TRUE(Holds("not momentum > 0.9", params));
  EXPECT_FALSE(Holds("momentum > 0.9", Some()));
}

TEST(Constraint, Mistakes_SayWhereAndWhatWasWanted) {
  const auto error = [](const char* text) { return ErrorOf(kSpace, {"layers > 0", text}); };
  EXPECT_EQ(
      error("lr * "),
      "at constraints[1]: at character 6: wanted a number, a text, a parameter or (, got the end");
  EXPECT_EQ(error("lr * batch"),
            "at constraints[1]: at character 1: a constraint wants true or false, got a number");
  EXPECT_EQ(error("lr < 1 batch"),
            "at constraints[1]: at character 8: wanted an operator or the end, got 'batch'");
  EXPECT_EQ(error("0 < lr < 1"),
            "at constraints[1]: at character 8: wanted an operator or the end, got '<'");
  EXPECT_EQ(error("(lr < 1"),
            "at constraints[1]: at character 8: wanted an operator or ), got the end");
  EXPECT_EQ(error("lr = 1"),
            "at constraints[1]: at character 4: '=' means nothing here; equal is ==");
  EXPECT_EQ(error("optimizer == 'sgd"),
            "at constraints[1]: at character 14: the ' that opens here is not closed");
  EXPECT_EQ(error("optimizer < 'sgd'"),
            "at constraints[1]: at character 1: `<` wants a number, got a text");
  EXPECT_EQ(error("lr == 'sgd'"),
            "at constraints[1]: at character 7: this comparison wants a number, got a text");
  EXPECT_EQ(error("lr and batch < 1"),
            "at constraints[1]: at character 1: `and` wants true or false, got a number");
  EXPECT_EQ(error("odd + 1 < 2"),
            "at constraints[1]: at character 1: `+` wants a number, got a choice of several kinds");
  EXPECT_EQ(ErrorOf(R"({"lr":{"float":[0,1]},"b":{"int":[1,2]}})", {"rl < 1"}),
            "at constraints[0]: at character 1: there is no parameter 'rl'; wanted one of lr, b");
  EXPECT_EQ(error(std::string(200, '(').c_str()),
            "at constraints[1]: at character 101: nested deeper than 100");
}

TEST(Constraint, NothingCanKeepIt_RefusedWithTheReason) {
  EXPECT_EQ(ErrorOf(kSpace, {"lr * batch > 1024"}),
            "at constraints[0]: lr * batch > 1024 can never hold: no values within the bounds make "
            "it true");
  EXPECT_EQ(ErrorOf(kSpace, {"optimizer == 'lion'"}),
            "at constraints[0]: optimizer == 'lion' can never hold: no values within the bounds "
            "make it true");
  EXPECT_EQ(ErrorOf(kSpace, {"lr < 0.5", "layers > 2 and layers < 2"}),
            "at constraints[1]: layers > 2 and layers < 2, with those before it, can never hold: "
            "none of 10000 "
            "draws keeps it");
  EXPECT_EQ(ErrorOf(R"({"a":{"int":[0,9]},"b":{"int":[0,9]}})", {"a * b == 11"}),
            "at constraints[0]: a * b == 11 can never hold: no point of the space keeps it");
  // Bounds alone do not refuse these.
  EXPECT_EQ(ErrorOf(kSpace, {"lr * batch >= 1024 or layers == 8"}), "no error");
  EXPECT_EQ(ErrorOf(kSpace, {"not lr / (layers - 4) >= 0"}), "no error");
  EXPECT_EQ(ErrorOf(kSpace, {"momentum > 2"}), "no error");  // adam has none
}

/// What Bound claims is checked against points: where it says never, no point may hold.
TEST(Constraint, BoundsAgreeWithPoints) {
  const auto space = *Make(kSpace, {});
  Random random(3);
  const std::vector<std::string> numbers{"lr", "layers", "width",        "batch",
                                         "2",  "0",      "(layers - 4)", "-3.5"};
  const std::vector<std::string> operators{"+", "-", "*", "/"};
  const std::vector<std::string> comparisons{"<", "<=", ">", ">=", "==", "!="};
  const auto pick = [&](const auto& from) { return from[random.Below(from.size())]; };
  int never = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string text = pick(numbers);
    for (int i = 0; i < 2; ++i) text += " " + pick(operators) + " " + pick(numbers);
    text += " " + pick(comparisons) + " " + pick(numbers);
    if (random.Chance(0.3)) text = "not (" + text + ")";
    const auto constraint = Constraint::Parse(text, space->parameters());
    ASSERT_TRUE(constraint.ok()) << text << ": " << constraint.error().message;
    if (!constraint->NeverHolds(space->parameters())) continue;
    ++never;
    for (std::uint64_t draw = 0; draw < 50; ++draw) {
      const Params params = space->Decode(space->Draw(Random(5, draw)));
      std::vector<double> plain(space->size(), 0.5);
      for (const auto i : constraint->mentions())
        plain[i] = At(params, space->parameters()[i].name.c_str());
      // width is a choice: its index
      plain[3] = std::log2(At(params, "width") / 128);
      ASSERT_FALSE(constraint->Holds(plain)) << text;
    }
  }
  EXPECT_GT(never, 100);
}

TEST(Space, Draw_KeepsConstraintsAndCoversWhatTheyAllow) {
  const auto space = *Make(R"({"x":{"float":[0,1]},"y":{"float":[0,1]}})", {"x + y < 0.5"});
  double sum = 0;
  for (std::uint64_t stream = 0; stream < 2000; ++stream) {
    const Point point = space->Draw(Random(1, stream));
    ASSERT_TRUE(space->Allows(point));
    ASSERT_TRUE(space->Check(space->Decode(point)).ok());
    sum += point[0];
  }
  EXPECT_NEAR(sum / 2000, 0.5 / 3, 0.01);  // a triangle's centre
}

TEST(Space, DrawWithoutConstraints_IsTheSameAsBefore) {
  const auto free = *Make(R"({"x":{"float":[0,1]},"y":{"float":[0,1]}})", {});
  const auto held = *Make(R"({"x":{"float":[0,1]},"y":{"float":[0,1]}})", {"x < 2"});
  EXPECT_EQ(free->Draw(Random(4, 2)), held->Draw(Random(4, 2)));
}

TEST(Space, AnAllowedSetThatDrawsHardlyMeet_IsReachedByRepair) {
  const auto space =
      *Make(R"({"x":{"float":[0,1]},"y":{"float":[0,1]}})", {"x - y < 0.0005", "y - x < 0.0005"});
  for (std::uint64_t stream = 0; stream < 50; ++stream) {
    ASSERT_TRUE(space->Allows(space->Draw(Random(9, stream))));
  }
}

TEST(Space, Repair_MovesLittleAndKeepsTheChoices) {
  const auto space = *Make(kSpace, {"lr * batch < 1", "layers <= 4 or width < 512"});
  int broken = 0;
  for (std::uint64_t stream = 0; stream < 300; ++stream) {
    const Point point = (*Make(kSpace, {}))->Draw(Random(2, stream));
    const Point repaired = space->Repair(point);
    ASSERT_TRUE(space->Check(space->Decode(repaired)).ok());
    EXPECT_EQ(space->Decode(space->Repair(point)), space->Decode(repaired));
    if (space->Allows(point)) {
      EXPECT_EQ(space->Decode(repaired), space->Decode(point));
      continue;
    }
    ++broken;
    for (std::size_t i = 3; i < 7; ++i) EXPECT_EQ(repaired[i], point[i]);
  }
  EXPECT_GT(broken, 50);
  // In one parameter the border is met.
  const auto line = *Make(R"({"x":{"float":[0,1]}})", {"x <= 0.25"});
  EXPECT_NEAR(line->Repair({0.75})[0], 0.25, 1e-6);
}

TEST(Space, Repair_ChangesChoicesWhereNumbersWillNotDo) {
  const auto space = *Make(R"({"o":{"choice":["a","b","c"]},"x":{"float":[0,1]}})", {"o == 'c'"});
  const Point repaired = space->Repair({0, 0.5});
  EXPECT_EQ(repaired[0], 2);
}

TEST(Space, EnumerateAndCardinality_KeepConstraints) {
  const auto space = *Make(R"({"a":{"int":[0,9]},"b":{"int":[0,9]},"c":{"choice":["x","y"]}})",
                           {"a + b <= 3", "c == 'x' or a == 0"});
  // 10 pairs; each with x, those four with a = 0 also with y
  EXPECT_EQ(space->cardinality(), 14);
  const auto points = space->Enumerate(200);
  EXPECT_EQ(std::set<Point>(points.begin(), points.end()).size(), 14U);
  for (const Point& point : points) EXPECT_TRUE(space->Check(space->Decode(point)).ok());
}

TEST(Space, Check_NamesTheConstraintAndTheValues) {
  const auto space = *Make(R"({"lr":{"float":[0,1]},"batch":{"int":[1,64]}})", {"lr * batch < 1"});
  const Status status = space->Check({{"lr", 0.5}, {"batch", std::int64_t{4}}});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "wanted lr * batch < 1, got lr = 0.5, batch = 4");
}

TEST(MakeSampler, EachKeepsConstraints) {
  SearchSpec spec = SpecOf("tpe", kSpace, 3);
  spec.space = *Make(kSpace, {"lr * batch < 1", "layers <= 4 or width < 512", "momentum > 0.5"});
  const auto loss = [](const Params& params) { return -At(params, "lr") * At(params, "batch"); };
  const History history = Search(spec, 60, loss, 3);
  EXPECT_EQ(history.size(), 60);
  for (const Trial& trial : history.trials()) {
    const Status status = spec.space->Check(trial.params);
    EXPECT_TRUE(status.ok()) << status.error().message;
  }
}

}  // namespace
}  // namespace muster::tuner
