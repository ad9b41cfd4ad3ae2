#include "cluster/slurm/command.h"

#include <gmock/gmock.h>

#include <signal.h>

#include <chrono>

namespace muster::cluster::slurm {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;

const Environment kEnvironment{{"PATH", "/usr/bin:/bin"}, {"GREETING", "good day"}};

TEST(Command, Ends_IsItsOutputAndItsExit) {
  const auto done = RunCommand(
      {{"sh", "-c", "cat; echo \"$GREETING $HOME\"; echo no >&2; exit 3"}, kEnvironment, "in\n"});
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->exit_code, 3);
  EXPECT_EQ(done->out, "in\ngood day \n");
  EXPECT_EQ(done->err, "no\n");
}

TEST(Command, LargeInputAndOutput_AreWhole) {
  const std::string text(3 << 20, 'x');
  const auto done = RunCommand({{"cat"}, kEnvironment, text});
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_TRUE(done->out == text);
  const auto ignored = RunCommand({{"true"}, kEnvironment, text});
  ASSERT_TRUE(ignored.ok()) << "nobody reads its input: " << ignored.error().message;
}

TEST(Command, KilledBySignal_Says128AndIt) {
  const auto done = RunCommand({{"sh", "-c", "kill -9 $$"}, kEnvironment, ""});
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->exit_code, 137);
}

TEST(Command, BeyondItsDeadline_IsKilledWithItsChildren) {
  const auto done =
      RunCommand({{"sh", "-c", "sleep 600 & sleep 600"}, kEnvironment, "", milliseconds(200)});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(done.error().message, HasSubstr("sh did not end within 200 ms"));
}

TEST(Command, ChildThatKeepsItsOutput_IsNotWaitedFor) {
  const auto done =
      RunCommand({{"sh", "-c", "sleep 600 & echo $!"}, kEnvironment, "", milliseconds(60'000)});
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(::kill(std::stoi(done->out), SIGKILL), 0);
}

TEST(Command, WithoutSuchAProgram_IsNotFound) {
  for (const char* name : {"no-such-program", "/no/such/program"}) {
    const auto done = RunCommand({{name}, kEnvironment, ""});
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().kind, ErrorKind::kNotFound) << done.error().message;
  }
}

TEST(CommandEnvironment, LeavesOutWhatChangesAnswersAndWhatIsSecret) {
  EXPECT_THAT(CommandEnvironment({{"PATH", "/bin"},
                                  {"SLURM_CONF", "/etc/slurm.conf"},
                                  {"SLURM_JOB_ID", "7"},
                                  {"SBATCH_PARTITION", "other"},
                                  {"SQUEUE_FORMAT2", "x"},
                                  {"MUSTER_TOKEN", "secret"},
                                  {"OMPI_COMM_WORLD_RANK", "0"},
                                  {"RANK", "0"}}),
              ElementsAre(Key("PATH"), Key("SLURM_CONF")));
}

}  // namespace
}  // namespace muster::cluster::slurm
