#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "registry/evaluation.h"
#include "registry/safetensors.h"
#include "runtime/base/file.h"
#include "tests/trainer/trials/program.h"
#include "trainer/files/checkpoint_folder.h"
#include "trainer/hdf5/convert.h"
#include "trainer/hdf5/dataset_file.h"

/// The trial that ships, as a user starts it: the program, its flags, its files, its exit codes.

namespace muster::trainer {
namespace {

namespace fs = std::filesystem;

using testing::Ended;

class DigitsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("muster-digits-" + std::to_string(getpid()));
    const auto files = hdf5::ConvertCsv(
        {.csv = MUSTER_DIGITS_CSV, .out_dir = folder_, .name = "digits", .row_shape = {1, 8, 8}});
    ASSERT_TRUE(files.ok()) << files.error().message;
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static pid_t Start(std::vector<std::string> command) {
    return testing::StartProgram(std::move(command), folder_ / "output.txt");
  }
  static Ended Wait(pid_t child) { return testing::WaitForProgram(child, folder_ / "output.txt"); }
  static Ended Run(std::vector<std::string> command) { return Wait(Start(std::move(command))); }

  static std::string Data(const std::string& role) { return folder_ / ("digits-" + role + ".h5"); }
  static std::vector<std::string> Command(std::vector<std::string> more) {
    std::vector<std::string> command = {MUSTER_DIGITS, "--train", Data("train"), "--validation",
                                        Data("validation")};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  static Checkpoint Latest(const fs::path& folder) {
    auto store = files::OpenCheckpointFolder({.folder = folder});
    EXPECT_TRUE(store.ok());
    auto latest = (*store)->LoadLatest();
    EXPECT_TRUE(latest.ok() && *latest);
    return std::move(**latest);
  }

  static fs::path folder_;
};
fs::path DigitsTest::folder_;

TEST_F(DigitsTest, Help_NamesFlagsAndExitCodes) {
  const Ended ended = Run({MUSTER_DIGITS, "--help"});
  EXPECT_EQ(ended.code, 0);
  for (const char* word :
       {"--train", "--lr", "--width", "--export", "adamw or sgd", "mpirun", "75"}) {
    EXPECT_NE(ended.output.find(word), std::string::npos) << word << ended.output;
  }
}

TEST_F(DigitsTest, WrongUse_ExitsTwoAndNamesIt) {
  Ended ended = Run({MUSTER_DIGITS});
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.output.find("--train FILE"), std::string::npos);
  ended = Run(Command({"--lr", "fast"}));
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.output.find("parameter 'lr': wanted a number"), std::string::npos);
  ended = Run({MUSTER_DIGITS, "--train", "/nonexistent/a.h5"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.output.find("/nonexistent/a.h5 does not exist"), std::string::npos);
}

TEST_F(DigitsTest, TwoRanksThenExport_LeavesWhatTheGatesRead) {
  const fs::path saved = folder_ / "two";
  std::vector<std::string> command = {
      MUSTER_MPIRUN, "--oversubscribe", "--bind-to", "none", "-n", "2"};
  for (std::string& word :
       Command({"--checkpoint-dir", saved, "--epochs", "9", "--test", Data("test")})) {
    command.push_back(std::move(word));
  }
  const Ended trained = Run(command);
  ASSERT_EQ(trained.code, 0) << trained.output;
  EXPECT_NE(trained.output.find("epoch 9/9"), std::string::npos) << trained.output;

  const Checkpoint latest = Latest(saved);
  EXPECT_EQ(latest.progress.epoch, 9);
  const auto store = files::OpenCheckpointFolder({.folder = saved});
  ASSERT_TRUE(store.ok());
  const fs::path out = folder_ / "export";
  const Ended exported = Run({MUSTER_DIGITS, "--export", out, "--checkpoint", (*store)->best_path(),
                              "--test", Data("test"), "--segments", "labels"});
  ASSERT_EQ(exported.code, 0) << exported.output;

  const auto text = ReadWholeFile(out / "export.json");
  ASSERT_TRUE(text.ok());
  const auto info = registry::ExportInfoFromJson(*text);
  ASSERT_TRUE(info.ok()) << info.error().message;
  EXPECT_EQ(info->inputs.at(0).shape, (std::vector<std::int64_t>{-1, 1, 8, 8}));
  EXPECT_EQ(info->outputs.at(0).shape, (std::vector<std::int64_t>{-1, 10}));
  EXPECT_GE(info->metrics.at("test/accuracy"), 0.97);
  // The ranks of the gang have tested the same checkpoint together.
  std::ostringstream line;
  line << "test/accuracy " << info->metrics.at("test/accuracy") << "\n";
  EXPECT_NE(trained.output.find(line.str()), std::string::npos) << line.str() << trained.output;
  const auto bytes = ReadWholeFile(out / "evaluation.safetensors");
  ASSERT_TRUE(bytes.ok());
  const auto tensors = registry::ReadSafetensors(*bytes);
  ASSERT_TRUE(tensors.ok());
  const auto evaluation = registry::EvaluationFromTensors(*tensors);
  ASSERT_TRUE(evaluation.ok()) << evaluation.error().message;
  const auto segment = tensors->Find("segment.labels");
  ASSERT_TRUE(segment.ok());
  EXPECT_EQ((*segment)->bytes, (*tensors->Find("labels"))->bytes);
  const auto accuracy =
      registry::ComputeMetric("test/accuracy", evaluation->reference, *evaluation);
  ASSERT_TRUE(accuracy.ok());
  EXPECT_EQ(*accuracy, info->metrics.at("test/accuracy"));
  EXPECT_GT(fs::file_size(out / "model.onnx"), 1000U);
}

// Rank 1's file lacks the labels: both hear it before the first step.
TEST_F(DigitsTest, OneRankFails_TheGangEndsWithItsWords) {
  const std::string bad = folder_ / "bad.h5";
  const Field images{"images", ElementType::kF32, {1, 8, 8}};
  ASSERT_TRUE(hdf5::WriteDatasetFile(bad, 1258,
                                     {{images, std::vector<std::byte>(1258 * images.row_bytes())}})
                  .ok());
  const Ended ended =
      Run({MUSTER_MPIRUN, "--oversubscribe", "--bind-to", "none", "-n", "1", MUSTER_DIGITS,
           "--train", Data("train"), ":", "-n", "1", MUSTER_DIGITS, "--train", bad});
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.output.find("rank 1 does not have what rank 0 has: it has no column 'labels' of "
                              "training data, wanted labels i64 ()"),
            std::string::npos)
      << ended.output;
}

TEST_F(DigitsTest, KilledAndStartedAgain_SameBitsAsUninterrupted) {
  const std::vector<std::string> more = {"--epochs", "6", "--width", "16"};
  const auto with = [&](const fs::path& folder) {
    auto all = more;
    all.insert(all.end(), {"--checkpoint-dir", folder});
    return Command(all);
  };
  ASSERT_EQ(Run(with(folder_ / "whole")).code, 0);
  const fs::path cut = folder_ / "cut";
  const pid_t child = Start(with(cut));
  // Until it has saved twice; the bound is for a program that never saves.
  for (int waited = 0; waited < 30'000 && kill(child, 0) == 0; ++waited) {
    auto store = files::OpenCheckpointFolder({.folder = cut});
    const auto latest = store.ok() ? (*store)->LoadLatest()
                                   : Result<std::optional<Checkpoint>>(std::optional<Checkpoint>());
    if (latest.ok() && *latest && (*latest)->progress.epoch >= 2) break;
    usleep(1000);
  }
  kill(child, SIGKILL);
  EXPECT_EQ(Wait(child).code, 128 + SIGKILL);
  ASSERT_LT(Latest(cut).progress.epoch, 6) << "it finished before it was killed";
  const Ended again = Run(with(cut));
  ASSERT_EQ(again.code, 0) << again.output;
  EXPECT_NE(again.output.find("resumed after epoch"), std::string::npos);
  EXPECT_EQ(Latest(cut).tensors, Latest(folder_ / "whole").tensors);
}

// The short form of the benchmark that kills 50 times.
TEST_F(DigitsTest, KilledAtRandomMoments_SameBitsOnOneRankAndTwo) {
  const Ended ended = Run({MUSTER_RESUME, "--digits", MUSTER_DIGITS, "--data", folder_, "--mpirun",
                           MUSTER_MPIRUN, "--kills", "3", "--epochs", "6"});
  EXPECT_EQ(ended.code, 0) << ended.output;
  for (const char* line : {R"("ranks": 1, "kills": 3)", R"("ranks": 2, "kills": 3)"}) {
    EXPECT_NE(ended.output.find(line), std::string::npos) << ended.output;
  }
  EXPECT_EQ(ended.output.find("false"), std::string::npos) << ended.output;
}

TEST_F(DigitsTest, SigTerm_SavesAndExits75) {
  const fs::path saved = folder_ / "term";
  const pid_t child = Start(Command({"--epochs", "500", "--checkpoint-dir", saved}));
  for (int waited = 0; waited < 30'000 && !fs::exists(saved / "manifest.json"); ++waited) {
    usleep(1000);
  }
  kill(child, SIGTERM);
  EXPECT_EQ(Wait(child).code, 75);
  EXPECT_GE(Latest(saved).progress.epoch, 1);
}

}  // namespace
}  // namespace muster::trainer
