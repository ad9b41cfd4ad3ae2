#include "runtime/server/pool_logs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

namespace muster::server {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

class PoolLogsTest : public testing::Test {
 protected:
  PoolLogsTest() {
    char name[] = "/tmp/muster_logs_XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~PoolLogsTest() override { fs::remove_all(folder_); }

  void Write(const std::string& name, hours ago) {
    std::ofstream(folder_ / name) << "words\n";
    fs::last_write_time(folder_ / name, now_ - ago);
  }
  [[nodiscard]] bool Has(const std::string& name) const { return fs::exists(folder_ / name); }

  fs::path folder_;
  const fs::file_time_type now_ = fs::file_time_type::clock::now();
};

TEST_F(PoolLogsTest, Prune_KeepsTheNewestAndThoseThatFailedOfLate) {
  for (std::size_t i = 0; i < kPoolLogsNewest; ++i)
    Write(std::to_string(1'000 + i) + ".log", hours(1));
  Write("1.log", hours(2));
  Write("2.failed.log", hours(6 * 24));
  Write("3.failed.log", hours(8 * 24));
  Write("notes.txt", hours(900));
  PruneLogs(folder_, now_);
  EXPECT_FALSE(Has("1.log"));
  EXPECT_TRUE(Has("2.failed.log"));
  EXPECT_FALSE(Has("3.failed.log"));
  EXPECT_TRUE(Has("notes.txt")) << "somebody else's";
  EXPECT_TRUE(Has("1000.log") && Has("1199.log"));
}

TEST_F(PoolLogsTest, Prune_OfFewOrNone_DeletesNothing) {
  Write("1_4.log", hours(900));
  PruneLogs(folder_, now_);
  EXPECT_TRUE(Has("1_4.log"));
  PruneLogs(folder_ / "absent", now_);
}

TEST_F(PoolLogsTest, FailedJob_KeepsItsOutputUnderAnotherName) {
  Write("12_3.log", hours(0));
  KeepFailedLog(folder_, "12_3");
  KeepFailedLog(folder_, "12_3");
  KeepFailedLog(folder_, "13");
  EXPECT_TRUE(Has("12_3.failed.log"));
  EXPECT_FALSE(Has("12_3.log"));
}

}  // namespace
}  // namespace muster::server
