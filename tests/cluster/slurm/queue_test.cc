#include "cluster/slurm/queue.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace muster::cluster::slurm {
namespace {

using testing::SizeIs;

/// As squeue prints it: '|' here is the separator there.
std::string Row(std::string text) {
  std::ranges::replace(text, '|', '\x1f');
  return text + "\n";
}

TEST(Queue, Rows_AreJobs) {
  const struct {
    const char* row;
    const char* id;
    JobState state;
    const char* words;
    std::optional<UnixMillis> ends_by;
    bool failed;
  } cases[] = {
      {"3  |N/A |PENDING |Resources |0 |N/A |0 |muster:k/0 |a@k/0 |",
       "3",
       JobState::kWaiting,
       "PENDING (Resources)",
       {},
       false},
      {"1 |0 |RUNNING |None |0 |1795817359 |0 |muster:k/0 |a@k/0 |", "1_0", JobState::kRunning,
       "RUNNING", 1795817359'000, false},
      {"1 |0 |COMPLETED |None |0 |1795817359 |0 |muster:k/0 |a@k/0 |",
       "1_0",
       JobState::kEnded,
       "COMPLETED",
       {},
       false},
      {"1 |0 |FAILED |NonZeroExitCode |0 |1 |768 |muster:k/0 |a@k/0 |",
       "1_0",
       JobState::kEnded,
       "FAILED (NonZeroExitCode, exit 3)",
       {},
       true},
      {"1 |0 |FAILED |None |0 |1 |9 |muster:k/0 |a@k/0 |",
       "1_0",
       JobState::kEnded,
       "FAILED (signal 9)",
       {},
       true},
      {"1 |0 |FAILED |None |0 |1 |3:0 |muster:k/0 |a@k/0 |",
       "1_0",
       JobState::kEnded,
       "FAILED (exit 3)",
       {},
       true},
      {"1 |0 |FAILED |None |0 |1 |0:9 |muster:k/0 |a@k/0 |",
       "1_0",
       JobState::kEnded,
       "FAILED (signal 9)",
       {},
       true},
      {"1 |0 |COMPLETED |None |0 |1 |0:0 |muster:k/0 |a@k/0 |",
       "1_0",
       JobState::kEnded,
       "COMPLETED",
       {},
       false},
      {"3 |N/A |RUNNING |None |0 |NONE |0:0 |muster:k/0 |a@k/0 |",
       "3",
       JobState::kRunning,
       "RUNNING",
       {},
       false},
      {"1 |N/A |COMPLETING |None |0 |1 |15 |muster:k/0 |a@k/0 |",
       "1",
       JobState::kEnding,
       "COMPLETING",
       {},
       false},
      {"1 |N/A |TIMEOUT |TimeLimit |0 |1 |0 |muster:k/0 |a@k/0 |",
       "1",
       JobState::kEnded,
       "TIMEOUT (TimeLimit)",
       {},
       true},
  };
  for (const auto& [row, id, state, words, ends_by, failed] : cases) {
    const auto rows = ReadQueue(Row(row));
    ASSERT_THAT(rows, SizeIs(1)) << row;
    EXPECT_EQ(rows[0].job.id, id) << row;
    EXPECT_EQ(rows[0].job.key, "k") << row;
    EXPECT_EQ(rows[0].job.state, state) << row;
    EXPECT_EQ(rows[0].job.words, words) << row;
    EXPECT_EQ(rows[0].job.ends_by, ends_by) << row;
    EXPECT_EQ(rows[0].job.failed, failed) << row;
  }
}

TEST(Queue, Task_IsItsIndexBeyondTheFirst) {
  const auto rows =
      ReadQueue(Row("12 |7 |PENDING |BeginTime |2 |N/A |0 |muster:pool:1/2000 |a@pool:1/2000 |"));
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].job.task, 2007);
  EXPECT_EQ(rows[0].job.restarts, 2);
  EXPECT_EQ(rows[0].array, "12");
}

TEST(Queue, WhatIsNoRow_IsLeftOut) {
  const std::string whole = Row("3 |N/A |PENDING |Resources |0 |N/A |0 |(null) |bash |");
  const auto rows =
      ReadQueue("\n" + Row("with a line |") + Row("break | in | it |") + whole +
                Row("|N/A|PENDING|None|0|N/A|0|x|x|") + Row("3|N/A|PENDING|None|many|N/A|0|x|x|"));
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].job.key, "") << "not muster's";
}

TEST(Queue, UnknownState_MayStillRun) {
  EXPECT_EQ(StateOf("SOMETHING_NEW"), JobState::kEnding);
  EXPECT_EQ(StateOf(""), JobState::kEnding);
}

// JobID, State, CPUTimeRAW, ElapsedRaw, ConsumedEnergyRaw, AllocTRES, JobName
std::vector<JobUsage> UsagesIn(const std::string& text, const std::vector<JobRef>& jobs) {
  std::vector<JobUsage> usages(jobs.size());
  ReadUsage(text, jobs, usages);
  return usages;
}

TEST(Usage, AllEndedStartsOfAJob_AreSummed) {
  const std::string text =
      "7|REQUEUED|8|4||billing=2,cpu=2,gres/gpu:a100=2,gres/gpu=2,mem=100M,node=1|a@k/0\n"
      "7|CANCELLED by 1000|16|8|500|cpu=2,gres/gpu=2|a@k/0\n"
      "7|COMPLETED|1000|1000|9|cpu=1,gres/gpu=1|a@another/0\n"
      "7|RUNNING|4|2||cpu=2,gres/gpu=2|a@k/0\n";
  const JobUsage usage = UsagesIn(text, {{"7", "k"}})[0];
  EXPECT_EQ(usage.cpu_seconds, 24);
  EXPECT_EQ(usage.gpu_seconds, 2 * 4 + 2 * 8);
  EXPECT_EQ(usage.joules, 500);
}

TEST(Usage, EachJobOfAnArray_HasItsOwn) {
  const std::string text =
      "9_0|COMPLETED|8|4||cpu=2,energy=70|a@k/0\n"
      "9_1|FAILED|6|3||cpu=2|a@k/0\n"
      "12|COMPLETED|2|1|0|cpu=2|a@j/0\n";
  const auto usages = UsagesIn(text, {{"12", "j"}, {"9_1", "k"}, {"9_0", "k"}, {"13", "j"}});
  EXPECT_EQ(usages[0].cpu_seconds, 2);
  EXPECT_EQ(usages[1].cpu_seconds, 6);
  EXPECT_EQ(usages[2].cpu_seconds, 8);
  EXPECT_EQ(usages[2].joules, 70) << "where sacct has it with the resources alone";
  EXPECT_FALSE(usages[3].cpu_seconds);
  EXPECT_EQ(UsagesIn(text, {{"9", "k"}})[0].cpu_seconds, 14) << "the whole array";
}

TEST(Usage, OfWhatTheSiteDoesNotCount_IsEmpty) {
  const JobUsage usage =
      UsagesIn("3|COMPLETED|8|4|0|cpu=2|a@k/0\n3|COMPLETED|8|4|18446744073709551614|cpu=2|a@k/0\n",
               {{"3", "k"}})[0];
  EXPECT_EQ(usage.cpu_seconds, 16);
  EXPECT_FALSE(usage.gpu_seconds || usage.joules);
  EXPECT_FALSE(UsagesIn("", {{"3", "k"}})[0].cpu_seconds);
}

}  // namespace
}  // namespace muster::cluster::slurm
