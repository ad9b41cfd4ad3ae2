#include "trainer/schedule.h"

#include <gtest/gtest.h>

namespace muster::trainer {
namespace {

TEST(Schedule, Warmup_RisesLinearlyToThePeak) {
  const Schedule schedule{.peak = 0.4, .warmup_steps = 4, .total_steps = 10};
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 0), 0.1);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 3), 0.4);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 9), 0.4);
}

TEST(Schedule, Cosine_FallsFromPeakToFinalFraction) {
  const Schedule schedule{.kind = ScheduleKind::kCosine,
                          .peak = 2.0,
                          .warmup_steps = 10,
                          .total_steps = 110,
                          .final_fraction = 0.1};
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 10), 2.0);
  EXPECT_NEAR(LearningRate(schedule, 60), 2.0 * 0.55, 1e-12);
  EXPECT_NEAR(LearningRate(schedule, 110), 0.2, 1e-12);
  EXPECT_NEAR(LearningRate(schedule, 5000), 0.2, 1e-12);
  for (int step = 11; step < 110; ++step) {
    EXPECT_LT(LearningRate(schedule, step), LearningRate(schedule, step - 1));
  }
}

TEST(Schedule, Step_DropsByTheFactor) {
  const Schedule schedule{
      .kind = ScheduleKind::kStep, .peak = 1.0, .step_every = 3, .step_factor = 0.5};
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 2), 1.0);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 3), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 6), 0.25);
}

/// Of torch.optim.lr_scheduler (PyTorch 2.11), peak 0.5: the rate that each optimizer step uses, of
///
///   CosineAnnealingLR(o, T_max=20, eta_min=0.05)
///   LinearLR(o, start_factor=1, end_factor=0.1, total_iters=20)
///   OneCycleLR(o, max_lr=0.5, total_steps=20), and of 3 steps
///   StepLR(o, 3, 0.1)
constexpr double kTolerance = 1e-14;

void ExpectRates(const Schedule& schedule, const std::vector<double>& rates) {
  for (std::size_t step = 0; step < rates.size(); ++step) {
    EXPECT_NEAR(LearningRate(schedule, static_cast<std::int64_t>(step)), rates[step], kTolerance)
        << "step " << step;
  }
}

TEST(Schedule, Cosine_IsPyTorchs) {
  ExpectRates(
      {.kind = ScheduleKind::kCosine, .peak = 0.5, .total_steps = 20, .final_fraction = 0.1},
      {0.5,
       0.497229876633906,
       0.48898771616640957,
       0.47547646794238274,
       0.45702882373436315,
       0.4340990257669732,
       0.40725168176580645,
       0.37714786244139803,
       0.3445288237343632,
       0.310197754634052,
       0.2750000000000001,
       0.23980224536594819,
       0.20547117626563693,
       0.17285213755860207,
       0.14274831823419365,
       0.11590097423302688,
       0.09297117626563689,
       0.07452353205761728,
       0.06101228383359047,
       0.05277012336609403,
       0.05});
}

TEST(Schedule, Linear_IsPyTorchs) {
  ExpectRates(
      {.kind = ScheduleKind::kLinear, .peak = 0.5, .total_steps = 20, .final_fraction = 0.1},
      {0.5,  0.4775, 0.455, 0.4325, 0.41, 0.3875, 0.365, 0.3425, 0.32, 0.2975, 0.275, 0.2525,
       0.23, 0.2075, 0.185, 0.1625, 0.14, 0.1175, 0.095, 0.0725, 0.05, 0.05,   0.05});
}

TEST(Schedule, OneCycle_IsPyTorchs) {
  ExpectRates({.kind = ScheduleKind::kOneCycle, .peak = 0.5, .total_steps = 20},
              {0.020000000000000018,
               0.06583592135001265,
               0.18583592135001265,
               0.3341640786499874,
               0.45416407864998737,
               0.5,
               0.49373200311754367,
               0.47524231600673683,
               0.445458088785525,
               0.40587282697488153,
               0.3584715008956504,
               0.30563101096814466,
               0.250001,
               0.19437098903185537,
               0.14153049910434962,
               0.09412917302511849,
               0.05454391121447502,
               0.024759683993263143,
               0.006269996882456277,
               2e-06});
  ExpectRates({.kind = ScheduleKind::kOneCycle, .peak = 0.5, .total_steps = 3},
              {0.49720771772545586, 0.23131855133348753, 2e-06, 2e-06});
}

TEST(Schedule, Step_IsPyTorchs) {
  ExpectRates({.kind = ScheduleKind::kStep, .peak = 0.5, .total_steps = 10, .step_every = 3},
              {0.5, 0.5, 0.5, 0.05, 0.05, 0.05, 0.005, 0.005, 0.005, 0.0005});
}

TEST(Schedule, Linear_WarmsUpFirst) {
  ExpectRates({.kind = ScheduleKind::kLinear, .peak = 1, .warmup_steps = 2, .total_steps = 6},
              {0.5, 1, 1, 0.75, 0.5, 0.25, 0});
}

TEST(Schedule, Names_AreReadBack) {
  for (const std::string& name : ScheduleNames()) EXPECT_TRUE(ScheduleKindFromName(name).ok());
}

TEST(Schedule, UnknownName_ListsTheKnown) {
  const auto kind = ScheduleKindFromName("cosin");
  ASSERT_FALSE(kind.ok());
  EXPECT_EQ(kind.error().message,
            "schedule 'cosin': wanted one of constant, cosine, linear, one_cycle, step");
}

}  // namespace
}  // namespace muster::trainer
