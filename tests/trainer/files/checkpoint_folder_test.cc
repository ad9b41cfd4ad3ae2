#include "trainer/files/checkpoint_folder.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>

#include "runtime/base/file.h"

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
  EXPECT_FALSE(saved.ok());
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
