#include "registry/serve/batcher.h"

#include <gmock/gmock.h>

#include <cmath>
#include <future>
#include <limits>

#include "registry/serve/batch.h"
#include "tests/registry/serve/tensors.h"

namespace muster::registry::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Answered = Result<std::vector<Tensor>>;

/// Doubles its rows; refuses NaN; holds its calls while it is told to.
class Doubler final : public InferenceModel {
 public:
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  Answered Infer(const std::vector<Tensor>& inputs) override {
    std::unique_lock lock(mutex_);
    calls_.push_back(inputs[0].shape[0]);
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    std::vector<float> values = Values<float>(inputs[0]);
    for (float& value : values) {
      if (std::isnan(value)) return Invalid("NaN");
      value *= 2;
    }
    return std::vector<Tensor>{MakeTensor("y", ElementType::kF32, inputs[0].shape, values)};
  }
  void Hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  void WaitForCalls(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_.size() >= count; });
  }
  std::vector<std::int64_t> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  std::vector<std::int64_t> calls_;  // rows of each
  std::vector<TensorSpec> inputs_{{"x", ElementType::kF32, {-1, 2}}};
  std::vector<TensorSpec> outputs_{{"y", ElementType::kF32, {-1, 2}}};
};

std::vector<Tensor> Rows(const std::vector<float>& values) {
  const auto rows = static_cast<std::int64_t>(values.size()) / 2;
  return {MakeTensor("x", ElementType::kF32, {rows, 2}, values)};
}

std::future<Answered> Ask(Batcher& batcher, std::vector<Tensor> inputs,
                          std::optional<MonotonicTime> deadline = std::nullopt) {
  auto promise = std::make_shared<std::promise<Answered>>();
  const bool taken = batcher.Infer(
      std::move(inputs), deadline,
      [promise](Answered answer, const Execution&) { promise->set_value(std::move(answer)); });
  EXPECT_TRUE(taken);
  return promise->get_future();
}

std::vector<float> ValuesOf(std::future<Answered> future) {
  const Answered answer = future.get();
  EXPECT_TRUE(answer.ok()) << answer.error().message;
  return answer.ok() ? Values<float>(answer->at(0)) : std::vector<float>();
}

TEST(Batcher, RequestsThatWaitTogether_ShareACall) {
  const auto model = std::make_shared<Doubler>();
  Batcher batcher(model, {.rows = 4});
  model->Hold(true);
  auto first = Ask(batcher, Rows({1, 2}));
  model->WaitForCalls(1);
  std::vector<std::future<Answered>> others;
  for (const float i : {0.0F, 1.0F, 2.0F}) others.push_back(Ask(batcher, Rows({i, i + 1})));
  others.push_back(Ask(batcher, Rows({7, 8, 9, 10})));  // two rows: beyond four
  model->Hold(false);
  EXPECT_THAT(ValuesOf(std::move(first)), ElementsAre(2, 4));
  for (const float i : {0.0F, 1.0F, 2.0F}) {
    EXPECT_THAT(ValuesOf(std::move(others[static_cast<std::size_t>(i)])),
                ElementsAre(2 * i, 2 * i + 2));
  }
  EXPECT_THAT(ValuesOf(std::move(others[3])), ElementsAre(14, 16, 18, 20));
  EXPECT_THAT(model->calls(), ElementsAre(1, 3, 2));
}

TEST(Batcher, Executions_AreToldOnceACallWithItsRows) {
  const auto model = std::make_shared<Doubler>();
  std::vector<Execution> executions;
  FakeClock clock;
  {
    Batcher batcher(model, {.rows = 4}, clock);
    model->Hold(true);
    const auto ask = [&](std::vector<float> values) {
      EXPECT_TRUE(batcher.Infer(Rows(values), std::nullopt,
                                [&](const Answered&, const Execution& execution) {
                                  executions.push_back(execution);  // one thread answers
                                }));
    };
    ask({1, 2});
    model->WaitForCalls(1);
    ask({3, 4});
    ask({5, 6, 7, 8});
    EXPECT_TRUE(batcher.Infer(
        Rows({9, 9}), MonotonicTime{} - std::chrono::seconds(1),
        [&](const Answered&, const Execution& execution) { executions.push_back(execution); }));
    clock.Advance(std::chrono::milliseconds(5));
    model->Hold(false);
  }
  ASSERT_EQ(executions.size(), 4U);
  EXPECT_EQ(executions[0].rows, 1);
  EXPECT_TRUE(executions[0].first);
  EXPECT_EQ(executions[0].times.infer, std::chrono::milliseconds(5));
  EXPECT_EQ(executions[1].rows, 0);  // its deadline passed: no call
  EXPECT_FALSE(executions[1].first);
  EXPECT_EQ(executions[2].rows, 3);
  EXPECT_TRUE(executions[2].first);
  EXPECT_EQ(executions[2].times.queue, std::chrono::milliseconds(5));
  EXPECT_EQ(executions[3].rows, 3);
  EXPECT_FALSE(executions[3].first);
}

TEST(Batcher, Delay_WaitsForOthersButNotWhenFull) {
  const auto model = std::make_shared<Doubler>();
  Batcher batcher(model, {.rows = 3, .delay = std::chrono::hours(1)});
  auto one = Ask(batcher, Rows({1, 1})), two = Ask(batcher, Rows({2, 2}));
  EXPECT_EQ(one.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  auto three = Ask(batcher, Rows({3, 3}));
  EXPECT_THAT(ValuesOf(std::move(one)), ElementsAre(2, 2));
  EXPECT_THAT(ValuesOf(std::move(two)), ElementsAre(4, 4));
  EXPECT_THAT(ValuesOf(std::move(three)), ElementsAre(6, 6));
  EXPECT_THAT(model->calls(), ElementsAre(3));
}

TEST(Batcher, BadNeighbour_FailsAlone) {
  const auto model = std::make_shared<Doubler>();
  Batcher batcher(model, {.rows = 8});
  model->Hold(true);
  auto first = Ask(batcher, Rows({0, 0}));
  model->WaitForCalls(1);
  auto good = Ask(batcher, Rows({1, 2}));
  auto bad = Ask(batcher, Rows({std::numeric_limits<float>::quiet_NaN(), 0}));
  model->Hold(false);
  EXPECT_THAT(ValuesOf(std::move(first)), ElementsAre(0, 0));
  EXPECT_THAT(ValuesOf(std::move(good)), ElementsAre(2, 4));
  EXPECT_THAT(bad.get().error().message, HasSubstr("NaN"));
}

TEST(Batcher, FullQueue_RefusesAtOnce) {
  const auto model = std::make_shared<Doubler>();
  Batcher batcher(model, {.rows = 4, .queue = 1});
  model->Hold(true);
  auto computing = Ask(batcher, Rows({0, 0}));
  model->WaitForCalls(1);
  auto waiting = Ask(batcher, Rows({1, 1}));
  EXPECT_EQ(batcher.waiting(), 1U);
  EXPECT_FALSE(
      batcher.Infer(Rows({2, 2}), std::nullopt, [](const Answered&, const Execution&) { FAIL(); }));
  model->Hold(false);
  EXPECT_THAT(ValuesOf(std::move(computing)), ElementsAre(0, 0));
  EXPECT_THAT(ValuesOf(std::move(waiting)), ElementsAre(2, 2));
}

TEST(Batcher, PassedDeadline_IsNotComputed) {
  const auto model = std::make_shared<Doubler>();
  Batcher batcher(model, {});
  const Answered late = Ask(batcher, Rows({1, 1}), MonotonicTime{}).get();
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(model->calls(), ElementsAre());
}

TEST(Batcher, End_AnswersWhatWasTaken) {
  const auto model = std::make_shared<Doubler>();
  constexpr float kFive[] = {0, 1, 2, 3, 4};
  std::vector<std::future<Answered>> answers;
  {
    Batcher batcher(model, {.rows = 2, .delay = std::chrono::hours(1), .instances = 2});
    for (const float i : kFive) answers.push_back(Ask(batcher, Rows({i, i})));
  }
  for (const float i : kFive) {
    EXPECT_THAT(ValuesOf(std::move(answers[static_cast<std::size_t>(i)])),
                ElementsAre(2 * i, 2 * i));
  }
}

TEST(Batcher, Hurry_EndsTheWaitForOthers) {
  Batcher batcher(std::make_shared<Doubler>(), {.rows = 8, .delay = std::chrono::hours(1)});
  auto waits = Ask(batcher, Rows({1, 1}));
  batcher.Hurry();
  EXPECT_THAT(ValuesOf(std::move(waits)), ElementsAre(2, 2));
  EXPECT_THAT(ValuesOf(Ask(batcher, Rows({2, 2}))), ElementsAre(4, 4));
}

TEST(Batcher, DroppedByItsOwnAnswer_Ends) {
  std::promise<void> answered;
  auto batcher = std::make_shared<Batcher>(std::make_shared<Doubler>(), BatchOptions{});
  Batcher& kept = *batcher;
  ASSERT_TRUE(
      kept.Infer(Rows({1, 1}), std::nullopt,
                 [&answered, own = std::move(batcher)](const Answered&, const Execution&) mutable {
                   own.reset();
                   answered.set_value();
                 }));
  answered.get_future().wait();
}

TEST(Batch, JoinAndSplit_AreEachOthersInverse) {
  const std::vector<Tensor> one = {MakeTensor<float>("a", ElementType::kF32, {1, 2}, {1, 2}),
                                   MakeTensor<std::int64_t>("b", ElementType::kI64, {1}, {7})};
  const std::vector<Tensor> two = {MakeTensor<std::int64_t>("b", ElementType::kI64, {2}, {8, 9}),
                                   MakeTensor<float>("a", ElementType::kF32, {2, 2}, {3, 4, 5, 6})};
  ASSERT_TRUE(CanJoin(one, two));
  const auto joined = Join({&one, &two});
  EXPECT_THAT(Values<float>(joined[0]), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Values<std::int64_t>(joined[1]), ElementsAre(7, 8, 9));
  const auto parts = Split(joined, {1, 2});
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ(parts->at(0)[0].bytes, one[0].bytes);
  EXPECT_EQ(parts->at(1)[0].bytes, two[1].bytes);
  EXPECT_EQ(parts->at(1)[1].shape, (std::vector<std::int64_t>{2}));
  EXPECT_THAT(Split(joined, {1, 1}).error().message,
              HasSubstr("'a' has shape [3,2] for a batch of 2"));
}

TEST(Batch, OtherShapesAndTypes_CannotJoin) {
  const auto of = [](ElementType type, std::vector<std::int64_t> shape) {
    return std::vector<Tensor>{Tensor{"x", type, std::move(shape), {}}};
  };
  const auto one = of(ElementType::kF32, {1, 2});
  EXPECT_TRUE(CanJoin(one, of(ElementType::kF32, {5, 2})));
  EXPECT_FALSE(CanJoin(one, of(ElementType::kF32, {1, 3})));
  EXPECT_FALSE(CanJoin(one, of(ElementType::kF32, {1, 2, 1})));
  EXPECT_FALSE(CanJoin(one, of(ElementType::kI32, {1, 2})));
  EXPECT_FALSE(CanJoin(one, of(ElementType::kF32, {})));
  EXPECT_FALSE(CanJoin(one, {}));
}

}  // namespace
}  // namespace muster::registry::serve
