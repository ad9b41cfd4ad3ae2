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
  Sample(8, 30, 100);
  activity_->Look(At(102));
  EXPECT_EQ(activity_->BusyMs(7), 800);
  EXPECT_EQ(activity_->BusyMs(8), 2'000);
  activity_->Look(At(103));
  EXPECT_EQ(activity_->BusyMs(7), 800) << "nothing new";
  EXPECT_EQ(activity_->BusyMs(9), 0);
}

TEST_F(GpuActivityTest, ProcessNotSeenForAMinute_IsForgotten) {
  activity_->Look(At(1));
  Sample(7, 10, 50);
  activity_->Look(At(2));
  activity_->Look(At(62));
  EXPECT_EQ(activity_->BusyMs(7), 500);
  activity_->Look(At(63));
  EXPECT_EQ(activity_->BusyMs(7), 0);
}

TEST_F(GpuActivityTest, WithoutADriver_NothingIsOpened) {
  EXPECT_EQ(GpuActivity::Open("libmuster-no-such-driver.so.1"), nullptr);
  EXPECT_EQ(GpuActivity::Open("libm.so.6"), nullptr) << "no driver's library";
}

}  // namespace
}  // namespace muster::cluster::local
