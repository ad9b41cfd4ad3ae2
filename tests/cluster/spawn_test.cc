#include "cluster/local/spawn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/local/process_table.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"

namespace muster::cluster::local {
namespace {

class SpawnTest : public testing::Test {
 protected:
  ~SpawnTest() override { std::filesystem::remove(out_); }

  [[nodiscard]] SpawnRequest Request(std::vector<std::string> command) const {
    return {.command = std::move(command), .environment = CleanEnvironment(), .out = out_};
  }
  [[nodiscard]] std::string Output() const { return ReadWholeFile(out_).value(); }

  const std::filesystem::path out_ = "/tmp/muster_spawn_" + RandomHex(4);
};

TEST_F(SpawnTest, Child_IsTheCallersAndIsWaitedForByIt) {
  const auto pid = Spawn(Request({"sh", "-c", "echo $PPID; exit 3"}));
  ASSERT_TRUE(pid.ok());
  int status = 0;
  ASSERT_EQ(waitpid(*pid, &status, 0), *pid);
  EXPECT_EQ(WEXITSTATUS(status), 3);
  EXPECT_EQ(Output(), std::to_string(getpid()) + "\n");
}

TEST_F(SpawnTest, DetachedChild_HasAnotherParentAndASessionOfItsOwn) {
  SpawnRequest request = Request({"sleep", "600"});
  request.detached = true;
  const auto pid = Spawn(request);
  ASSERT_TRUE(pid.ok());
  const auto process = IdentifyProcess(*pid);
  ASSERT_TRUE(process.ok());
  EXPECT_EQ(process->pid, *pid);
  EXPECT_EQ(getsid(*pid), *pid);
  EXPECT_EQ(waitpid(*pid, nullptr, WNOHANG), -1);  // no child of this process
  EXPECT_TRUE(SendSignal(*process, SIGKILL));
}

TEST_F(SpawnTest, SignalsOfTheCaller_AreTheChildsNoMore) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  signal(SIGHUP, SIG_IGN);
  const auto pid = Spawn(Request({"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}));
  sigprocmask(SIG_SETMASK, &before, nullptr);
  signal(SIGHUP, SIG_DFL);
  ASSERT_TRUE(pid.ok());
  waitpid(*pid, nullptr, 0);
  // SIGUSR2 alone is ignored.
  EXPECT_EQ(Output(), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000800\n");
}

TEST_F(SpawnTest, WhatCannotBeStarted_IsNamedAndLeavesNoChild) {
  for (const bool detached : {false, true}) {
    SpawnRequest request = Request({"/etc/passwd"});
    request.detached = detached;
    EXPECT_THAT(Spawn(request).error().message, testing::HasSubstr("program /etc/passwd does not"));
    request = Request({"true"});
    request.detached = detached;
    request.working_dir = "/nowhere";
    EXPECT_THAT(Spawn(request).error().message,
                testing::HasSubstr("cannot enter the working directory /nowhere"));
    request.working_dir.clear();
    request.out = "/nowhere/out";
    EXPECT_THAT(Spawn(request).error().message, testing::HasSubstr("cannot open /nowhere/out"));
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  }
}

}  // namespace
}  // namespace muster::cluster::local
