#include "runtime/server/home.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/random.h"

namespace muster::server {
namespace {

class HomeTest : public testing::Test {
 protected:
  ~HomeTest() override { std::filesystem::remove_all(home_); }
  std::filesystem::path home_ =
      std::filesystem::temp_directory_path() / ("muster-home-" + RandomHex(8));
};

TEST_F(HomeTest, SecondServer_IsRefusedAndToldOfTheFirst) {
  const auto first = HomeLock::Take(home_);
  ASSERT_TRUE(first.ok()) << first.error().message;
  ASSERT_TRUE(WriteServerNote(home_, {.url = "http://here", .pid = 42}).ok());
  const auto second = HomeLock::Take(home_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(second.error().message, testing::HasSubstr("process 42, http://here"));
}

/// As one that a killed server has not quite started.
TEST_F(HomeTest, ChildThatStillHoldsTheLock_IsWaitedFor) {
  int held[2];
  ASSERT_EQ(pipe(held), 0);
  auto lock = HomeLock::Take(home_);
  ASSERT_TRUE(lock.ok()) << lock.error().message;
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    (void)!read(held[0], &byte, 1);
    usleep(50'000);
    _exit(0);
  }
  lock->reset();
  (void)!write(held[1], "x", 1);
  EXPECT_TRUE(HomeLock::Take(home_).ok());
  waitpid(child, nullptr, 0);
  close(held[0]);
  close(held[1]);
}

}  // namespace
}  // namespace muster::server
