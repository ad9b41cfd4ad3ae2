#include "tracker/live/chart_routes.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <optional>

#include "runtime/base/clock.h"
#include "tracker/memory_run_store.h"

namespace muster::tracker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Reads what chart_bytes.h describes, front to back.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : in_(bytes) {}

  template <typename T>
  T Take() {
    T number{};
    if (in_.size() < sizeof(number)) throw std::out_of_range("the answer ends early");
    in_.copy(reinterpret_cast<char*>(&number), sizeof(number));
    in_.remove_prefix(sizeof(number));
    return number;
  }
  template <typename T>
  std::vector<T> Array(std::size_t count) {
    std::vector<T> numbers(count);
    for (T& number : numbers) number = Take<T>();
    return numbers;
  }
  [[nodiscard]] std::size_t left() const { return in_.size(); }

 private:
  std::string_view in_;
};

class ChartRoutesTest : public testing::Test {
 protected:
  ChartRoutesTest() : runs_(clock_) {
    AddChartRoutes(router_, runs_);
    runs_.CreateRun({.run_id = RunId("r")}, [](const auto&) {});
  }
  http::Response Get(std::string_view query) {
    http::Request request{.method = "GET"};
    http::SetTarget(request, "/api/muster/v1/chart?" + std::string(query));
    std::optional<http::Response> answer;
    router_.Dispatch(std::move(request),
                     [&](http::Response response) { answer = std::move(response); });
    return std::move(answer).value();
  }
  void Log(std::vector<Metric> metrics) {
    runs_.LogBatch(RunId("r"), {.metrics = std::move(metrics)}, [](const Status&) {});
  }

  FakeClock clock_;
  MemoryRunStore runs_;
  http::Router router_;
};

TEST_F(ChartRoutesTest, ACurve_InItsColumns_WithSpikeAndNaN) {
  std::vector<Metric> metrics;
  for (std::int64_t step = 0; step < 30; ++step) metrics.push_back({"loss", 1, 1'000 + step, step});
  metrics[4].value = 1e9;
  metrics[15].value = std::numeric_limits<double>::quiet_NaN();
  metrics[29].value = -std::numeric_limits<double>::infinity();
  Log(metrics);
  const auto answer = Get("run_id=none&run_id=r&key=loss&pixels=3");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("Content-Type"), "application/vnd.muster.chart");
  Reader in(answer.body);
  EXPECT_THAT(in.Array<char>(4), ElementsAre('M', 'C', 'H', '1'));
  EXPECT_EQ(in.Take<std::uint32_t>(), 2U);
  EXPECT_EQ(in.Take<std::uint64_t>(), 0U);  // no columns of the unknown run
  EXPECT_EQ(in.Take<std::uint64_t>(), 3U);
  EXPECT_THAT(in.Array<std::int64_t>(3), ElementsAre(0, 10, 20));
  EXPECT_THAT(in.Array<std::int64_t>(3), ElementsAre(9, 19, 29));
  EXPECT_THAT(in.Array<std::int64_t>(3), ElementsAre(1'000, 1'010, 1'020));
  EXPECT_THAT(in.Array<std::int64_t>(3), ElementsAre(1'009, 1'019, 1'029));
  EXPECT_THAT(in.Array<double>(3), ElementsAre(1, 1, 1));
  EXPECT_THAT(in.Array<double>(3), ElementsAre(1e9, 1, 1));
  EXPECT_THAT(in.Array<double>(3), ElementsAre(1, 1, -std::numeric_limits<double>::infinity()));
  EXPECT_THAT(in.Array<std::uint32_t>(3), ElementsAre(10, 10, 10));
  EXPECT_THAT(in.Array<std::uint32_t>(3), ElementsAre(0, 1, 0));
  EXPECT_THAT(in.Array<std::uint32_t>(3), ElementsAre(0, 0, 1));
  EXPECT_EQ(in.Take<std::uint32_t>(), 0U);
  EXPECT_EQ(in.left(), 0U);
}

TEST_F(ChartRoutesTest, AWindow_HasOnlyWhatIsInIt) {
  Log({{"loss", 1, 100, 0}, {"loss", 2, 200, 1}, {"loss", 3, 300, 2}});
  const auto answer = Get("run_id=r&key=loss&axis=time&begin=150&end=200&pixels=1");
  Reader in(std::string_view(answer.body).substr(8));
  EXPECT_EQ(in.Take<std::uint64_t>(), 1U);
  EXPECT_THAT(in.Array<std::int64_t>(4), ElementsAre(1, 1, 200, 200));
  EXPECT_THAT(in.Array<double>(3), ElementsAre(2, 2, 2));
}

TEST_F(ChartRoutesTest, WhatIsWrong_IsNamed) {
  const std::pair<const char*, const char*> wrong[] = {
      {"key=loss", "run_id 1 to 100 times, got it 0 times"},
      {"run_id=r", "wants key"},
      {"run_id=r&key=k&axis=epoch", "the parameter axis is 'epoch'; wanted step or time"},
      {"run_id=r&key=k&pixels=0", "pixels is '0'; wanted a whole number from 1 to 4000"},
      {"run_id=r&key=k&begin=1.5", "begin is '1.5'"},
      {"run_id=r&key=k&begin=9&end=8", "end is '8'; wanted a whole number from 9 to"},
  };
  for (const auto& [query, text] : wrong) {
    const auto answer = Get(query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_THAT(answer.body, HasSubstr(text));
  }
}

}  // namespace
}  // namespace muster::tracker
