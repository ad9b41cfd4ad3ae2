#include "trainer/torch/background_saver.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <future>

#include "trainer/files/checkpoint_folder.h"

namespace muster::trainer {
namespace {

namespace fs = std::filesystem;

/// Of all layouts; every element is `value`, but of one tensor that counts.
NamedTensors State(double value) {
  return {{"model.w", at::full({300, 500}, value)},
          {"model.counts", at::arange(1000, at::kLong)},
          {"model.flag", at::full({3}, value != 0, at::kBool)},
          {"model.half", at::full({7}, value, at::kBFloat16)},
          {"model.channels_last",
           at::arange(48.0).reshape({2, 2, 3, 4}).contiguous(at::MemoryFormat::ChannelsLast)},
          {"optimizer.empty", at::empty({0, 4})},
          {"optimizer.steps", at::full({}, value)}};
}

/// A store whose saves end when they are let.
class Gated final : public CheckpointStore {
 public:
  Result<std::string> Save(const CheckpointView& checkpoint, bool best) override {
    begun.set_value();
    go.get_future().wait();
    saved.push_back(checkpoint.Copy());
    bests.push_back(best);
    if (throws) throw std::bad_alloc();
    return answer;
  }
  Result<std::optional<Checkpoint>> LoadLatest() override { return std::optional<Checkpoint>(); }
  [[nodiscard]] std::string best_path() const override { return ""; }
  /// For the next save.
  void Reset() {
    begun = {};
    go = {};
  }
  std::promise<void> begun, go;
  std::vector<Checkpoint> saved;
  std::vector<bool> bests;
  Result<std::string> answer = std::string("path");
  bool throws = false;
};

TEST(Snapshot, AnyLayout_IsWhatStoreTensorsHolds) {
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    Snapshot snapshot;
    snapshot.Reserve(State(0));
    for (const double value : {1.5, 2.5}) {
      auto state = State(value);
      state.emplace_back("ema.large", at::rand({1'000'003}));
      ASSERT_TRUE(snapshot.Take(state).ok());
      snapshot.Wait();
      CheckpointView view;
      view.tensors = snapshot.tensors();
      EXPECT_EQ(view.Copy().tensors, StoreTensors(state).value());
    }
  }
  at::set_num_threads(1);
}

TEST(Snapshot, MemoryStays_ForTheNextOne) {
  Snapshot snapshot;
  ASSERT_TRUE(snapshot.Take(State(1)).ok());
  const auto* const first = snapshot.tensors()[0].bytes.data();
  ASSERT_TRUE(snapshot.Take(State(2)).ok());
  EXPECT_EQ(snapshot.tensors()[0].bytes.data(), first);
}

TEST(Snapshot, TensorInParts_IsGatheredIntoItsMemory) {
  const at::Tensor parts = at::arange(10.0, at::kDouble);
  Snapshot snapshot;
  const Status taken =
      snapshot.Take(State(1), {{.name = "optimizer.mean",
                                .type = at::kDouble,
                                .shape = {2, 5},
                                .fill = [&](const at::Tensor& whole) {
                                  EXPECT_EQ(whole.sizes(), (std::vector<std::int64_t>{2, 5}));
                                  whole.view(-1).narrow(0, 0, 6).copy_(parts.narrow(0, 0, 6));
                                  whole.view(-1).narrow(0, 6, 4).copy_(parts.narrow(0, 6, 4));
                                }}});
  ASSERT_TRUE(taken.ok());
  const TensorView& gathered = snapshot.tensors().back();
  EXPECT_EQ(gathered.name, "optimizer.mean");
  EXPECT_EQ(gathered.dtype, "FP64");
  ASSERT_EQ(gathered.bytes.size(), 80U);
  EXPECT_EQ(std::memcmp(gathered.bytes.data(), parts.data_ptr(), 80), 0);
}

TEST(BackgroundSaver, TrainingGoesOn_TheOldValuesAreSaved) {
  Gated store;
  BackgroundSaver saver(store);
  EXPECT_FALSE(saver.Wait().has_value()) << "nothing was begun";
  auto state = State(1);
  const auto wanted = StoreTensors(state).value();
  saver.Reserve(state);
  ASSERT_TRUE(saver.Begin({.step = 7}, {{"program", "x"}}, state, true).ok());
  store.begun.get_future().wait();
  EXPECT_TRUE(saver.busy());
  EXPECT_FALSE(saver.Poll().has_value());
  for (auto& [name, tensor] : state) tensor.zero_();
  store.go.set_value();
  const auto saved = saver.Wait();
  ASSERT_TRUE(saved.has_value());
  EXPECT_FALSE(saver.busy());
  EXPECT_EQ(saved->progress.step, 7);
  EXPECT_TRUE(saved->best);
  EXPECT_EQ(*saved->path, "path");
  ASSERT_EQ(store.saved.size(), 1U);
  EXPECT_EQ(store.saved[0].tensors, wanted);
  EXPECT_EQ(store.saved[0].metadata.at("program"), "x");
  EXPECT_EQ(store.saved[0].progress.step, 7);
  EXPECT_FALSE(saver.Poll().has_value()) << "an answer comes once";
}

TEST(BackgroundSaver, FailureAndWhatIsThrown_AreAnswers) {
  Gated store;
  BackgroundSaver saver(store);
  store.answer = ResourceExhausted("the disk is full");
  store.go.set_value();
  ASSERT_TRUE(saver.Begin({.step = 1}, {}, State(1), false).ok());
  auto saved = saver.Wait();
  ASSERT_TRUE(saved && !saved->path.ok());
  EXPECT_EQ(saved->path.error().kind, ErrorKind::kResource);
  store.Reset();
  store.throws = true;
  store.go.set_value();
  ASSERT_TRUE(saver.Begin({.step = 2}, {}, State(1), false).ok());
  saved = saver.Wait();
  ASSERT_TRUE(saved && !saved->path.ok());
  EXPECT_EQ(saved->path.error().kind, ErrorKind::kResource);
  const Status refused =
      saver.Begin({.step = 3}, {}, {{"model.c", at::zeros({2}, at::kComplexFloat)}}, false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnsupported);
  EXPECT_FALSE(saver.busy());
  store.Reset();
  store.throws = false;
  store.answer = std::string("later");
  store.go.set_value();
  ASSERT_TRUE(saver.Begin({.step = 4}, {}, State(2), false).ok());
  saved = saver.Wait();
  ASSERT_TRUE(saved && saved->path.ok()) << "the next one is saved all the same";
  EXPECT_EQ(*saved->path, "later");
}

TEST(BackgroundSaver, GoneWhileItSaves_TheSaveIsFinished) {
  Gated store;
  std::future<void> letting;
  {
    BackgroundSaver saver(store);
    ASSERT_TRUE(saver.Begin({.step = 1}, {}, State(1), false).ok());
    store.begun.get_future().wait();
    letting = std::async(std::launch::async, [&] { store.go.set_value(); });
  }
  EXPECT_EQ(store.saved.size(), 1U);
}

class BackgroundFolderTest : public testing::Test {
 protected:
  BackgroundFolderTest()
      : folder_(fs::temp_directory_path() / ("muster-saver-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    auto opened = files::OpenCheckpointFolder({.folder = folder_});
    EXPECT_TRUE(opened.ok());
    store_ = std::move(opened).value();
  }
  ~BackgroundFolderTest() override { fs::remove_all(folder_); }
  fs::path folder_;
  std::unique_ptr<CheckpointStore> store_;
};

TEST_F(BackgroundFolderTest, SavedToAFolder_LoadsIntoAnotherModel) {
  BackgroundSaver saver(*store_);
  const auto state = State(1);
  for (std::int64_t step = 1; step <= 3; ++step) {
    state[0].second.fill_(static_cast<double>(step));
    ASSERT_TRUE(saver.Begin({.step = step}, {}, state, step == 1).ok());
    const auto saved = saver.Wait();
    ASSERT_TRUE(saved && saved->path.ok());
    EXPECT_EQ(fs::path(*saved->path).filename(),
              "step-" + std::to_string(step) + ".a-0.safetensors");
  }
  const auto latest = store_->LoadLatest();
  ASSERT_TRUE(latest.ok() && *latest);
  const auto other = State(0);
  const Status loaded = LoadTensors((*latest)->tensors, other);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  for (std::size_t i = 0; i < state.size(); ++i) {
    EXPECT_TRUE(at::equal(state[i].second, other[i].second)) << state[i].first;
  }
}

// A limit on file sizes is a disk that is full for this process only (SIGXFSZ ignored: EFBIG).
TEST_F(BackgroundFolderTest, DiskFull_AFailedSaveAndTheOlderOneStays) {
  BackgroundSaver saver(*store_);
  ASSERT_TRUE(saver.Begin({.step = 1}, {}, State(1), true).ok());
  ASSERT_TRUE(saver.Wait()->path.ok());
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  getrlimit(RLIMIT_FSIZE, &old_limit);
  rlimit small = old_limit;
  small.rlim_cur = 100'000;
  setrlimit(RLIMIT_FSIZE, &small);
  ASSERT_TRUE(saver.Begin({.step = 2}, {}, State(2), true).ok());
  const auto failed = saver.Wait();
  setrlimit(RLIMIT_FSIZE, &old_limit);
  ASSERT_TRUE(failed && !failed->path.ok());
  EXPECT_EQ(failed->path.error().kind, ErrorKind::kResource) << failed->path.error().message;
  EXPECT_FALSE(fs::exists(folder_ / "step-2.a-0.safetensors"));
  EXPECT_FALSE(fs::exists(folder_ / "step-2.a-0.safetensors.tmp"));
  const auto latest = store_->LoadLatest();
  ASSERT_TRUE(latest.ok() && *latest);
  EXPECT_EQ((*latest)->progress.step, 1);
  EXPECT_EQ(fs::path(store_->best_path()).filename(), "step-1.a-0.safetensors");
}

}  // namespace
}  // namespace muster::trainer
