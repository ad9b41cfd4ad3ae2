#include "runtime/agent/exit_cause.h"

#include <gtest/gtest.h>

namespace muster::agent {
namespace {

using wire::ExitCause;

RanksExited::Rank Rank(int rank, int code, bool oom = false) {
  return {{rank, code, "exit " + std::to_string(code)}, oom};
}

TEST(ClassifyTest, AllZero_IsSuccess) {
  const Verdict verdict = Classify({Rank(1, 0), Rank(0, 0)}, 2, false);
  EXPECT_EQ(verdict.cause, ExitCause::kSuccess);
}

TEST(ClassifyTest, FirstFailure_DecidesOverLaterOnes) {
  const Verdict verdict = Classify({Rank(2, 0), Rank(1, 139), Rank(0, 75)}, 3, false);
  EXPECT_EQ(verdict.cause, ExitCause::kUser);
  EXPECT_EQ(verdict.message, "rank 1 failed first: exit 139");
}

TEST(ClassifyTest, ResumeFirst_IsResumeThoughPeersWereKilled) {
  EXPECT_EQ(Classify({Rank(0, 75), Rank(1, 137)}, 2, false).cause, ExitCause::kResume);
}

TEST(ClassifyTest, KilledForMemory_IsOom_PlainKillIsTheUsers) {
  EXPECT_EQ(Classify({Rank(0, 137, true)}, 1, false).cause, ExitCause::kOom);
  EXPECT_EQ(Classify({Rank(0, 137, false)}, 1, false).cause, ExitCause::kUser);
}

TEST(ClassifyTest, UnseenRanks_AreInfrastructure) {
  const Verdict verdict = Classify({Rank(0, 0)}, 2, false);
  EXPECT_EQ(verdict.cause, ExitCause::kInfra);
  EXPECT_EQ(verdict.message, "the processes are gone, but only 1 of 2 ranks were seen to end");
}

}  // namespace
}  // namespace muster::agent
