#include "cluster/local/gpu_activity.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/base/random.h"

namespace muster::cluster::local {
namespace {

using std::chrono::seconds;

class GpuActivityTest : public testing::Test {
 protected:
  GpuActivityTest() { setenv("MUSTER_FAKE_NVML", file_.c_str(), 1); }
  ~GpuActivityTest() override { std::filesystem::remove(file_); }
  /// One sample more that the driver knows.
  void Sample(pid_t pid, int time_us, int percent) {
    std::ofstream(file_, std::ios::app) << pid << ' ' << time_us << ' ' << percent << '\n';
  }
  static MonotonicTime At(int second) { return MonotonicTime(seconds(second)); }

  std::filesystem::path file_ =
      std::filesystem::temp_directory_path() / ("muster-nvml-" + RandomHex(8));
  std::unique_ptr<GpuActivity> activity_ = GpuActivity::Open(MUSTER_TEST_NVML);
};

TEST_F(GpuActivityTest, Busy_IsTheShareOfTheTimeBetweenLooks) {
  ASSERT_NE(activity_, nullptr);
  Sample(7, 10, 90);
  activity_->Look(At(100));
  EXPECT_EQ(activity_->BusyMs(7), 0) << "of before, it is not known for how long";
  Sample(7, 20, 30);
  Sample(7, 30, 40);
  Sample(8, 30, 20);
  activity_->Look(At(102));
  EXPECT_EQ(activity_->BusyMs(7), 800);
  EXPECT_EQ(activity_->BusyMs(8), 400);
  activity_->Look(At(103));
  EXPECT_EQ(activity_->BusyMs(7), 800) << "nothing new";
  EXPECT_EQ(activity_->BusyMs(9), 0);
}

/// Processes that share a device take turns, and the driver's samples are so few that one may have none in a second.
TEST_F(GpuActivityTest, DeviceThatIsBusyAllTheTime_CountsTheQueueForIt) {
  Sample(7, 10, 50);
  Sample(8, 10, 50);
  activity_->Look(At(100));
  Sample(7, 20, 66);
  Sample(8, 20, 33);
  activity_->Look(At(101));
  EXPECT_EQ(activity_->BusyMs(7), 1'320);
  EXPECT_EQ(activity_->BusyMs(8), 660);
  Sample(8, 30, 99);
  activity_->Look(At(102));
  EXPECT_EQ(activity_->BusyMs(7), 1'320);
  EXPECT_EQ(activity_->BusyMs(8), 2'640);
  for (int second = 103; second < 120; ++second) {
    Sample(8, second, 100);
    activity_->Look(At(second));
  }
  const auto before = activity_->BusyMs(8);
  Sample(8, 120, 100);
  activity_->Look(At(120));
  EXPECT_EQ(activity_->BusyMs(8) - before, 1'000) << "it has the device to itself by now";
}

TEST_F(GpuActivityTest, ProcessNotSeenForAMinute_IsForgotten) {
  activity_->Look(At(1));
  Sample(7, 10, 50);
  activity_->Look(At(2));
  activity_->Look(At(62));
  EXPECT_EQ(activity_->BusyMs(7), 500);
  activity_->Look(At(63));
  EXPECT_EQ(activity_->BusyMs(7), 0);
  Sample(7, 20, 50);
  activity_->Look(At(124));
  EXPECT_EQ(activity_->BusyMs(7), 0) << "it is not known for how long it was";
}

TEST_F(GpuActivityTest, WithoutADriver_NothingIsOpened) {
  EXPECT_EQ(GpuActivity::Open("libmuster-no-such-driver.so.1"), nullptr);
  EXPECT_EQ(GpuActivity::Open("libm.so.6"), nullptr) << "no driver's library";
}

}  // namespace
}  // namespace muster::cluster::local
