#include "trainer/files/checkpoint_folder.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <csignal>
#include <fstream>

#include "runtime/base/file.h"
#include "tests/support/sync_calls.h"

namespace muster::trainer::files {
namespace {

namespace fs = std::filesystem;

class CheckpointFolderTest : public testing::Test {
 protected:
  CheckpointFolderTest()
      : folder_(fs::temp_directory_path() / ("muster-checkpoint-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
  }
  ~CheckpointFolderTest() override { fs::remove_all(folder_); }

  std::unique_ptr<CheckpointStore> Open(std::int64_t attempt = 1, int keep = 2) {
    auto store = OpenCheckpointFolder({.folder = folder_, .attempt = attempt, .keep = keep});
    EXPECT_TRUE(store.ok()) << store.error().message;
    return std::move(store).value();
  }
  std::vector<std::string> Files() {
    std::vector<std::string> names;
    for (const auto& file : fs::directory_iterator(folder_)) {
      names.push_back(file.path().filename().string());
    }
    return names;
  }
  void FlipByte(const std::string& name, std::size_t at) {
    std::fstream file(folder_ / name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
  fs::path folder_;
};

Checkpoint At(std::int64_t step, std::size_t bytes = 16) {
  Checkpoint checkpoint{.progress = {.step = step, .epoch = step / 10, .loss_sum = 0.1},
                        .metadata = {{"params", "{}"}},
                        .tensors = {{"model.w", "FP32", {2}, {}}, {"model.n", "INT64", {}, {}}}};
  checkpoint.tensors[0].shape = {static_cast<std::int64_t>(bytes / 4)};
  checkpoint.tensors[0].bytes.assign(bytes, static_cast<std::byte>(step));
  checkpoint.tensors[1].bytes.assign(8, static_cast<std::byte>(7));
  return checkpoint;
}

TEST_F(CheckpointFolderTest, Save_SurvivesAPowerLoss) {
  const test::SyncCalls calls;
  const auto store = OpenCheckpointFolder({.folder = folder_ / "sweep/0", .attempt = 1});
  ASSERT_TRUE(store.ok()) << store.error().message;
  for (const std::int64_t step : {10, 20, 30, 40}) {
    ASSERT_TRUE((*store)->Save(At(step), step == 20).ok());
    EXPECT_THAT(calls.Undurable(folder_ / "sweep"), testing::IsEmpty());
  }
}

std::int64_t LatestStep(CheckpointStore& store) {
  const auto latest = store.LoadLatest();
  EXPECT_TRUE(latest.ok()) << latest.error().message;
  return *latest ? (*latest)->progress.step : -1;
}

TEST_F(CheckpointFolderTest, Saved_ComesBackWhole) {
  const auto store = Open();
  EXPECT_EQ(LatestStep(*store), -1);
  const auto path = store->Save(At(20), true);
  ASSERT_TRUE(path.ok()) << path.error().message;
  EXPECT_EQ(*path, store->best_path());
  const auto latest = Open()->LoadLatest();
  ASSERT_TRUE(latest.ok() && *latest);
  EXPECT_EQ((*latest)->progress, At(20).progress);
  EXPECT_EQ((*latest)->tensors, At(20).tensors);
  EXPECT_EQ((*latest)->metadata, At(20).metadata);
  const auto by_path = ReadCheckpointFile(*path);
  ASSERT_TRUE(by_path.ok()) << by_path.error().message;
  EXPECT_EQ(by_path->tensors, At(20).tensors);
}

TEST_F(CheckpointFolderTest, ManySaves_KeepTheLastAndTheBest) {
  const auto store = Open(1, 2);
  for (std::int64_t step = 1; step <= 6; ++step) ASSERT_TRUE(store->Save(At(step), step == 2).ok());
  EXPECT_THAT(Files(),
              testing::UnorderedElementsAre("lock", "manifest.json", "step-2.a-1.safetensors",
                                            "step-5.a-1.safetensors", "step-6.a-1.safetensors"));
  EXPECT_EQ(fs::path(store->best_path()).filename(), "step-2.a-1.safetensors");
}

/// At the end of an epoch whose validation/loss was this.
Checkpoint Measured(std::int64_t step, double loss) {
  Checkpoint checkpoint = At(step);
  checkpoint.progress.metrics = {{"train/loss", 100.0 + loss}, {"validation/loss", loss}};
  return checkpoint;
}

TEST_F(CheckpointFolderTest, KeepBest_TheSmallestLossesStayOfEqualsTheOlder) {
  const auto store = OpenCheckpointFolder({.folder = folder_,
                                           .keep = 1,
                                           .keep_best = 3,
                                           .metric = "validation/loss",
                                           .maximize = false});
  ASSERT_TRUE(store.ok());
  const std::vector<double> losses = {0.5, 0.9, 0.4, 0.5, std::nan(""), 0.7, 0.5, 0.8};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const bool best = i == 0 || i == 2;
    ASSERT_TRUE((*store)->Save(Measured(static_cast<std::int64_t>(i) + 1, losses[i]), best).ok());
  }
  Checkpoint within = Measured(9, 0.1);  // the metric is of the epoch before
  within.progress.batch = 3;
  ASSERT_TRUE((*store)->Save(within, false).ok());
  EXPECT_THAT(Files(),
              testing::UnorderedElementsAre("lock", "manifest.json", "step-1.a-0.safetensors",
                                            "step-3.a-0.safetensors", "step-4.a-0.safetensors",
                                            "step-9.a-0.safetensors"));
  EXPECT_EQ(fs::path((*store)->best_path()).filename(), "step-3.a-0.safetensors");
  const auto text = ReadWholeFile(folder_ / "manifest.json");
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(*text, testing::HasSubstr(R"("metric":"validation/loss","goal":"minimize")"));
  EXPECT_THAT(*text,
              testing::ContainsRegex(R"("file":"step-1.a-0.safetensors","step":1,.*"metric":)"
                                     R"(5E-1\},)"));
  EXPECT_THAT(*text, testing::ContainsRegex(R"("step":9,[^}]*"sha256":"[0-9a-f]*"\}\])"));
}

TEST_F(CheckpointFolderTest, AnotherGoal_OldValuesCountNoMore) {
  FolderOptions options{
      .folder = folder_, .keep = 1, .keep_best = 2, .metric = "validation/loss", .maximize = false};
  {
    const auto store = OpenCheckpointFolder(options);
    ASSERT_TRUE(store.ok());
    ASSERT_TRUE((*store)->Save(Measured(1, 0.1), true).ok());
    ASSERT_TRUE((*store)->Save(Measured(2, 0.2), false).ok());
  }
  options.metric = "train/loss";
  const auto store = OpenCheckpointFolder(options);
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->Save(Measured(3, 0.3), true).ok());
  ASSERT_TRUE((*store)->Save(Measured(4, 0.4), false).ok());
  ASSERT_TRUE((*store)->Save(Measured(5, 0.5), false).ok());
  EXPECT_THAT(Files(),
              testing::UnorderedElementsAre("lock", "manifest.json", "step-3.a-0.safetensors",
                                            "step-4.a-0.safetensors", "step-5.a-0.safetensors"));
}

TEST_F(CheckpointFolderTest, ManifestWithoutMetrics_IsReadAndGoneOnWith) {
  ASSERT_TRUE(Open()->Save(At(1), true).ok());
  auto text = ReadWholeFile(folder_ / "manifest.json").value();
  // As it was written before there were metrics.
  const std::string young = R"("metric":"","goal":"",)";
  ASSERT_NE(text.find(young), std::string::npos) << text;
  text.erase(text.find(young), young.size());
  std::ofstream(folder_ / "manifest.json") << text;
  EXPECT_EQ(LatestStep(*Open()), 1);
  ASSERT_TRUE(Open()->Save(At(2), false).ok());
  EXPECT_EQ(LatestStep(*Open()), 2);
}

TEST_F(CheckpointFolderTest, TensorThatIsNone_IsRefusedAndNothingIsWritten) {
  const auto store = Open();
  Checkpoint checkpoint = At(1);
  checkpoint.tensors[0].shape = {3};
  auto saved = store->Save(checkpoint, false);
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(saved.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(saved.error().message, "tensor 'model.w' has 16 bytes; FP32 [3] wants 12");
  checkpoint = At(1);
  checkpoint.tensors[1].name = "model.w";
  saved = store->Save(checkpoint, false);
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(saved.error().message, "two tensors of one checkpoint are named 'model.w'");
  EXPECT_THAT(Files(), testing::UnorderedElementsAre("lock", "manifest.json"));
}

TEST_F(CheckpointFolderTest, PassedOver_TheWarningNamesFileAndReason) {
  const auto store = Open();
  ASSERT_TRUE(store->Save(At(1), false).ok());
  ASSERT_TRUE(store->Save(At(2), false).ok());
  const std::string file = (folder_ / "step-2.a-1.safetensors").string();
  const auto warning = [&] {
    testing::internal::CaptureStderr();
    EXPECT_EQ(LatestStep(*store), 1);
    return testing::internal::GetCapturedStderr();
  };
  const auto size = fs::file_size(file);
  FlipByte("step-2.a-1.safetensors", size - 1);
  EXPECT_THAT(warning(), testing::ContainsRegex(file + " has the SHA-256 [0-9a-f]+; saved was "));
  FlipByte("step-2.a-1.safetensors", size - 1);
  fs::resize_file(file, size - 1);
  EXPECT_THAT(warning(), testing::HasSubstr(file + " has " + std::to_string(size - 1) +
                                            " bytes; saved were " + std::to_string(size)));
  fs::remove(file);
  EXPECT_THAT(warning(), testing::HasSubstr("open " + file + ": No such file"));
  fs::remove(folder_ / "step-1.a-1.safetensors");
  testing::internal::CaptureStderr();
  EXPECT_EQ(LatestStep(*store), -1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("there is no older one"));
}

TEST_F(CheckpointFolderTest, NewestDamaged_OlderOneTaken) {
  const auto store = Open();
  ASSERT_TRUE(store->Save(At(1), false).ok());
  ASSERT_TRUE(store->Save(At(2), false).ok());
  const auto size = fs::file_size(folder_ / "step-2.a-1.safetensors");
  for (const std::size_t at : {std::size_t{0}, std::size_t{40}, size - 1}) {
    FlipByte("step-2.a-1.safetensors", at);
    EXPECT_EQ(LatestStep(*store), 1) << at;
    FlipByte("step-2.a-1.safetensors", at);
    EXPECT_EQ(LatestStep(*store), 2) << at;
  }
  for (const std::uintmax_t length : {size - 1, size / 2, std::uintmax_t{3}, std::uintmax_t{0}}) {
    fs::resize_file(folder_ / "step-2.a-1.safetensors", length);
    EXPECT_EQ(LatestStep(*store), 1) << length;
  }
  fs::remove(folder_ / "step-2.a-1.safetensors");
  EXPECT_EQ(LatestStep(*store), 1);
}

TEST_F(CheckpointFolderTest, OlderAttempt_Fenced) {
  ASSERT_TRUE(Open(5)->Save(At(1), false).ok());
  const auto late = OpenCheckpointFolder({.folder = folder_, .attempt = 4});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().kind, ErrorKind::kFenced);
  EXPECT_EQ(LatestStep(*Open(6)), 1);
}

TEST_F(CheckpointFolderTest, OlderAttemptStillRunning_FencedAsSoonAsANewerOneOpens) {
  const auto old = Open(1);
  ASSERT_TRUE(old->Save(At(1), true).ok());
  const auto young = Open(2);
  std::ofstream(folder_ / "step-3.a-2.safetensors.tmp") << "being written";
  const auto late = old->Save(At(2), true);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().kind, ErrorKind::kFenced);
  EXPECT_THAT(Files(),
              testing::UnorderedElementsAre("lock", "manifest.json", "step-1.a-1.safetensors",
                                            "step-3.a-2.safetensors.tmp"));
  EXPECT_EQ(LatestStep(*young), 1);
}

TEST_F(CheckpointFolderTest, NewestCannotBeRead_AnErrorNotAnOlderOne) {
  const auto store = Open();
  ASSERT_TRUE(store->Save(At(1), false).ok());
  ASSERT_TRUE(store->Save(At(2), false).ok());
  fs::remove(folder_ / "step-2.a-1.safetensors");
  fs::create_directory(folder_ / "step-2.a-1.safetensors");  // EISDIR, a kIo also for root
  const auto latest = store->LoadLatest();
  ASSERT_FALSE(latest.ok());
  EXPECT_EQ(latest.error().kind, ErrorKind::kIo);
}

TEST_F(CheckpointFolderTest, SameStepAgain_WrittenOnlyWhereItWasDamaged) {
  const auto store = Open();
  ASSERT_TRUE(store->Save(At(1), false).ok());
  ASSERT_TRUE(store->Save(At(2), false).ok());
  FlipByte("step-2.a-1.safetensors", 40);
  ASSERT_TRUE(store->Save(At(2), true).ok());
  EXPECT_EQ(LatestStep(*store), 2);
}

TEST_F(CheckpointFolderTest, ManifestDamaged_NamedNotGuessed) {
  ASSERT_TRUE(Open()->Save(At(1), false).ok());
  std::ofstream(folder_ / "manifest.json") << "{\"version\": ";
  const auto store = OpenCheckpointFolder({.folder = folder_});
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().kind, ErrorKind::kCorrupt);
}

// A limit on file sizes is a disk that is full for this process only (SIGXFSZ ignored: EFBIG).
TEST_F(CheckpointFolderTest, WriteFails_OldOneStaysAndNothingIsLeftOver) {
  const auto store = Open();
  ASSERT_TRUE(store->Save(At(1), true).ok());
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  getrlimit(RLIMIT_FSIZE, &old_limit);
  rlimit small = old_limit;
  small.rlim_cur = 100'000;
  setrlimit(RLIMIT_FSIZE, &small);
  const auto saved = store->Save(At(2, 1'000'000), true);
  setrlimit(RLIMIT_FSIZE, &old_limit);
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(saved.error().kind, ErrorKind::kResource) << saved.error().message;
  EXPECT_EQ(LatestStep(*store), 1);
  EXPECT_THAT(Files(),
              testing::UnorderedElementsAre("lock", "manifest.json", "step-1.a-1.safetensors"));
}

TEST_F(CheckpointFolderTest, KilledWhileSaving_NewestLoads) {
  ASSERT_TRUE(Open()->Save(At(1), false).ok());
  std::int64_t last = 1;
  for (int round = 0; round < 20; ++round) {
    std::array<int, 2> saved{};
    ASSERT_EQ(pipe(saved.data()), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(saved[0]);
      const auto store = Open();
      for (std::int64_t step = last + 1;; ++step)
        if (!store->Save(At(step, 40'000), step % 3 == 0).ok() || write(saved[1], "s", 1) != 1)
          _exit(1);
    }
    close(saved[1]);
    // One save is on disk, however slow the disk; where in a later one the kill falls is up to the
    // scheduler.
    char byte = 0;
    const ssize_t first = read(saved[0], &byte, 1);
    usleep(static_cast<useconds_t>(700 * round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(saved[0]);
    ASSERT_EQ(first, 1) << "the child saved nothing";
    const std::int64_t now = LatestStep(*Open());
    ASSERT_GT(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace muster::trainer::files
