#include "trainer/torch/train_loop.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <thread>

#include "tests/trainer/torch/tiny_trial.h"
#include "trainer/files/checkpoint_folder.h"
#include "trainer/torch/evaluate.h"
#include "trainer/torch/model_state.h"

namespace muster::trainer {
namespace {

namespace fs = std::filesystem;
using wire::RecordType;

class TrainLoopTest : public testing::Test {
 protected:
  TrainLoopTest()
      : folder_(fs::temp_directory_path() / ("muster-loop-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
  }
  ~TrainLoopTest() override { fs::remove_all(folder_); }

  Params Read(const char* json) {
    const auto params =
        ReadParams(WithLoopParams(TinyTrial().params()), boost::json::parse(json).as_object());
    EXPECT_TRUE(params.ok()) << params.error().message;
    return *params;
  }
  Result<LoopEnd> Run(const char* json, Control& control, CheckpointStore* store = nullptr,
                      bool cloned = false) {
    TinyTrial trial;
    const Params params = Read(json);
    return RunTrainLoop({.trial = trial,
                         .params = params,
                         .train = train_,
                         .validation = &validation_,
                         .gang = gang_,
                         .checkpoints = store,
                         .control = control,
                         .accelerator = HostAccelerator(),
                         .clock = clock_,
                         .seed = 17,
                         .cloned = cloned,
                         .agree_every = 4});
  }
  /// Without validation or checkpoints.
  Result<LoopEnd> RunOn(const RowSource& train, Trial& trial, const Params& params,
                        Control& control) {
    return RunTrainLoop({.trial = trial,
                         .params = params,
                         .train = train,
                         .gang = gang_,
                         .control = control,
                         .accelerator = HostAccelerator(),
                         .clock = clock_});
  }
  std::unique_ptr<CheckpointStore> Store(std::int64_t attempt) {
    auto store = files::OpenCheckpointFolder({.folder = folder_, .attempt = attempt});
    EXPECT_TRUE(store.ok());
    return std::move(store).value();
  }

  fs::path folder_;
  Clouds train_{150};
  Clouds validation_{60};
  Gang gang_;
  FakeClock clock_;
};

constexpr const char* kAdamW = R"({"epochs": 6, "batch_size": 16, "lr": 0.02, "dropout": 0.3})";
constexpr const char* kSgd =
    R"({"epochs": 6, "batch_size": 16, "lr": 0.1, "dropout": 0.3, "optimizer": "sgd"})";

/// Everything that has state of its own beside the optimizer.
constexpr const char* kAll =
    R"({"epochs": 6, "batch_size": 16, "lr": 0.02, "dropout": 0.3, "ema_decay": 0.9, "clip_norm": 0.5,
        "precision": "fp16", "accumulate": 2, "schedule": "one_cycle", "beta2": 0.95})";

TEST_F(TrainLoopTest, EachPhaseOfAnEpoch_IsABeat) {
  ScriptedControl control;
  ASSERT_TRUE(Run(R"({"epochs": 1, "batch_size": 75, "lr": 0.1})", control).ok());
  EXPECT_EQ(control.beats,
            "load0/2 forward0/2 backward0/2 reduce0/2 step0/2 agree1/2 "
            "load1/2 forward1/2 backward1/2 reduce1/2 step1/2 load2/2 "
            "validate2/2 save2/2 saved2/2 agree2/2 ");
}

TEST_F(TrainLoopTest, ThreeClouds_AreLearned) {
  ScriptedControl control;
  const auto store = Store(1);
  const auto end = Run(kAdamW, control, store.get());
  ASSERT_TRUE(end.ok()) << end.error().message;
  EXPECT_EQ(end->why, LoopEnd::Why::kFinished);
  EXPECT_GT(end->progress.metrics.at("validation/accuracy"), 0.75);
  std::vector<RecordType> types;
  for (const auto& record : control.records) types.push_back(record.type);
  std::vector<RecordType> expected;
  for (int epoch = 0; epoch < 6; ++epoch) {
    expected.push_back(RecordType::kMetric);
    expected.push_back(RecordType::kCheckpoint);
  }
  expected.push_back(RecordType::kProgress);
  expected.push_back(RecordType::kResult);
  EXPECT_EQ(types, expected);
  EXPECT_EQ(control.records.back().path, store->best_path());
  EXPECT_EQ(control.records[4].step, 3);
  EXPECT_EQ(control.records[4].total_steps, 6);
  EXPECT_THAT(control.records[0].metrics,
              testing::UnorderedElementsAre(testing::Key("train/loss"), testing::Key("seconds"),
                                            testing::Key("validation/loss"),
                                            testing::Key("validation/accuracy")));
}

TEST_F(TrainLoopTest, AveragedWeights_AreWhatIsValidatedAndLoaded) {
  const char* averaged = R"({"epochs": 2, "batch_size": 16, "lr": 0.05, "ema_decay": 0.95})";
  const char* last = R"({"epochs": 2, "batch_size": 16, "lr": 0.05})";
  ScriptedControl control;
  const auto store = Store(1);
  const auto with = Run(averaged, control, store.get());
  const auto without = Run(last, control);
  ASSERT_TRUE(with.ok() && without.ok());
  // Training goes on with the last weights; what is measured differs.
  EXPECT_TRUE(SameBits(Weights(*with->module), Weights(*without->module)));
  EXPECT_NE(with->progress.metrics.at("validation/loss"),
            without->progress.metrics.at("validation/loss"));
  const auto checkpoint = store->LoadLatest();
  ASSERT_TRUE(checkpoint.ok() && *checkpoint);
  ASSERT_TRUE(LoadModel(**checkpoint, *with->module).ok());
  TinyTrial trial;
  const auto params = Read(averaged);
  const auto module = trial.Build(params);
  ASSERT_TRUE(LoadModel(**checkpoint, *module).ok());
  const auto means =
      EvaluateSource(trial, *module, validation_, gang_, HostAccelerator(), Precision::kFp32);
  ASSERT_TRUE(means.ok());
  EXPECT_EQ(means->at("loss"), with->progress.metrics.at("validation/loss"));
}

TEST_F(TrainLoopTest, DataThatDoNotFit_AreRefusedBeforeTheFirstStep) {
  class Two final : public TinyTrial {
   public:
    explicit Two(DataSpec data) : data_(std::move(data)) {}
    [[nodiscard]] DataSpec data() const override { return data_; }
    at::Tensor TrainStep(const Batch& /*batch*/) override { throw std::logic_error("a step"); }

   private:
    DataSpec data_;
  };
  const auto refusal = [&](DataSpec data, const char* json) {
    Two trial(std::move(data));
    const Params params = Read(json);
    ScriptedControl control;
    const auto end = RunOn(train_, trial, params, control);
    return end.ok() ? "accepted" : end.error().message;
  };
  EXPECT_EQ(refusal({.inputs = "x", .labels = "labels", .classes = 2}, "{}"),
            "clouds: dataset 'labels': row 2 holds 2; wanted 0 to 1");
  EXPECT_EQ(refusal({.inputs = "x", .labels = "labels", .input_shape = {{1, -1}}}, "{}"),
            "clouds: dataset 'x' has rows of shape (4); wanted (1,any)");
  EXPECT_EQ(refusal({.inputs = "x", .labels = "x", .classes = 2}, "{}"),
            "clouds: dataset 'x' is of type f32; wanted u8 or i32 or i64");
}

TEST_F(TrainLoopTest, LossThatIsNoNumber_EndsTrainingBeforeItIsSaved) {
  ScriptedControl control;
  const auto store = Store(1);
  const auto end = Run(
      R"({"epochs": 6, "batch_size": 16, "lr": 1000, "weight_decay": 1000, "optimizer": "sgd"})",
      control, store.get());
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(
      end.error().message,
      testing::MatchesRegex("loss is (nan|-?inf) at step [0-9]+ .*: the configuration diverged"));
  EXPECT_EQ(store->LoadLatest().value(), std::nullopt);
}

TEST_F(TrainLoopTest, SameSeed_SameBits) {
  ScriptedControl control;
  const auto first = Run(kAdamW, control);
  const auto second = Run(kAdamW, control);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE(SameBits(Weights(*first->module), Weights(*second->module)));
}

// 10 batches an epoch, polls after the first step, every 4 and after each epoch: a stop falls within and
// between epochs.
TEST_F(TrainLoopTest, StoppedAnywhereAndResumed_SameBitsAsUninterrupted) {
  for (const char* json : {kAdamW, kSgd, kAll}) {
    ScriptedControl quiet;
    const auto whole = Run(json, quiet);
    ASSERT_TRUE(whole.ok());
    for (const int poll : {1, 2, 3, 4, 8, 11}) {
      fs::remove_all(folder_);
      ScriptedControl stopping(poll, Command::kStop);
      const auto stopped = Run(json, stopping, Store(1).get());
      ASSERT_TRUE(stopped.ok()) << stopped.error().message;
      ASSERT_EQ(stopped->why, LoopEnd::Why::kStopped);
      ScriptedControl resuming;
      const auto resumed = Run(json, resuming, Store(2).get());
      ASSERT_TRUE(resumed.ok()) << resumed.error().message;
      EXPECT_EQ(resuming.records.front().type, RecordType::kResumed);
      EXPECT_EQ(resuming.records.front().step, stopped->progress.epoch);
      EXPECT_TRUE(SameBits(Weights(*whole->module), Weights(*resumed->module))) << poll;
      EXPECT_EQ(resumed->progress.metrics, whole->progress.metrics) << poll;
    }
  }
}

TEST_F(TrainLoopTest, StepsOfHalfASecond_CommandsAreHeardEverySecond) {
  class SlowTrial final : public TinyTrial {
   public:
    explicit SlowTrial(FakeClock& clock) : clock_(clock) {}
    at::Tensor TrainStep(const Batch& batch) override {
      clock_.Advance(std::chrono::milliseconds(500));
      return TinyTrial::TrainStep(batch);
    }

   private:
    FakeClock& clock_;
  } trial(clock_);
  const Params params = Read(kAdamW);
  // Heard after steps 1, 3, 5 and 7 of 10.
  ScriptedControl control(4, Command::kStop);
  const auto end = RunOn(train_, trial, params, control);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->progress.step, 7);
}

TEST_F(TrainLoopTest, CheckpointCommand_SavesAndGoesOn) {
  ScriptedControl control(1, Command::kCheckpoint);
  const auto end = Run(kAdamW, control, Store(1).get());
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->why, LoopEnd::Why::kFinished);
  EXPECT_EQ(control.records.front().type, RecordType::kCheckpoint);
  EXPECT_EQ(control.records.front().step, 0);
}

TEST_F(TrainLoopTest, Checkpoint_IsPublishedOnlyWhenWhatWasSaidBeforeItIsSafe) {
  class Counting final : public Control {
   public:
    Status Send(const wire::TrialRecord& record) override {
      if (record.type == RecordType::kMetric) ++unsafe;
      return Ok();
    }
    Command Poll() override { return Command::kNone; }
    Status Flush() override {
      unsafe = 0;
      return Ok();
    }
    int unsafe = 0;
  } control;
  class Watching final : public CheckpointStore {
   public:
    Watching(CheckpointStore& inner, const Counting& control) : inner_(inner), control_(control) {}
    Result<std::string> Save(const CheckpointView& checkpoint, bool best) override {
      unsafe.push_back(control_.unsafe);
      return inner_.Save(checkpoint, best);
    }
    Result<std::optional<Checkpoint>> LoadLatest() override { return inner_.LoadLatest(); }
    [[nodiscard]] std::string best_path() const override { return inner_.best_path(); }
    std::vector<int> unsafe;

   private:
    CheckpointStore& inner_;
    const Counting& control_;
  };
  const auto inner = Store(1);
  Watching store(*inner, control);
  ASSERT_TRUE(Run(kAdamW, control, &store).ok());
  EXPECT_EQ(store.unsafe, std::vector<int>(6, 0));
}

TEST_F(TrainLoopTest, FinishedAlready_OnlySaysItsResultAgain) {
  ScriptedControl first;
  const auto end = Run(kAdamW, first, Store(1).get());
  ASSERT_TRUE(end.ok());
  ScriptedControl again;
  ASSERT_TRUE(Run(kAdamW, again, Store(2).get()).ok());
  ASSERT_EQ(again.records.size(), 2U);
  EXPECT_EQ(again.records[1].type, RecordType::kResult);
  EXPECT_EQ(again.records[1].metrics, first.records.back().metrics);
  EXPECT_EQ(again.records[1].path, first.records.back().path);
}

TEST_F(TrainLoopTest, CheckpointOfAnotherBatchSize_Refused) {
  ScriptedControl control;
  ASSERT_TRUE(Run(kAdamW, control, Store(1).get()).ok());
  const auto end = Run(R"({"epochs": 6, "batch_size": 8})", control, Store(2).get());
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
  EXPECT_NE(end.error().message.find("batch_size 16, this trial has 8"), std::string::npos);
}

TEST_F(TrainLoopTest, CheckpointOfAnotherLearningRate_Refused) {
  ScriptedControl control;
  ASSERT_TRUE(Run(kAdamW, control, Store(1).get()).ok());
  const auto end =
      Run(R"({"epochs": 6, "batch_size": 16, "lr": 0.5, "dropout": 0.3})", control, Store(2).get());
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
  EXPECT_NE(end.error().message.find("lr 2E-2, this trial has 5E-1"), std::string::npos)
      << end.error().message;
}

// 150 rows: 10 batches of 16, 19 of 8. Three epochs are the donor's.
TEST_F(TrainLoopTest, Clone_GoesOnFromTheDonorsEpochsWithItsOwnParameters) {
  ScriptedControl donor;
  ASSERT_TRUE(Run(R"({"epochs": 3, "batch_size": 16, "lr": 0.02})", donor, Store(1).get()).ok());
  for (const char* own : {R"({"epochs": 4, "batch_size": 8, "lr": 0.01})",
                          R"({"epochs": 5, "batch_size": 8, "lr": 0.1, "optimizer": "sgd"})"}) {
    ScriptedControl clone;
    const auto end = Run(own, clone, Store(2).get(), /*cloned=*/true);
    ASSERT_TRUE(end.ok()) << end.error().message;
    EXPECT_EQ(clone.records[0].type, RecordType::kResumed);
    EXPECT_GT(clone.records[1].metrics.at("validation/accuracy"), 0.8) << "not the donor's model";
  }
  ScriptedControl last;
  const auto end = Run(R"({"epochs": 6, "batch_size": 8, "lr": 0.1, "optimizer": "sgd"})", last,
                       Store(3).get(), /*cloned=*/true);
  ASSERT_TRUE(end.ok()) << end.error().message;
  EXPECT_EQ(end->progress.step, 6 * 19);
  EXPECT_EQ(last.records[0].step, 5);
}

TEST_F(TrainLoopTest, CloneWithinAnEpochOfOtherBatches_Refused) {
  ScriptedControl control(5, Command::kStop);
  ASSERT_TRUE(Run(kAdamW, control, Store(1).get()).ok());
  const auto end = Run(R"({"epochs": 6, "batch_size": 8})", control, Store(2).get(), true);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
  EXPECT_NE(end.error().message.find("batches of 16 rows; with batches of 8"), std::string::npos)
      << end.error().message;
}

TEST_F(TrainLoopTest, CheckpointWithinAnEpoch_SaysNoMetrics) {
  ScriptedControl control(5, Command::kCheckpoint);  // in the second epoch
  ASSERT_TRUE(Run(kAdamW, control, Store(1).get()).ok());
  ASSERT_EQ(control.records[2].type, RecordType::kCheckpoint);
  EXPECT_EQ(control.records[2].step, 1);
  EXPECT_TRUE(control.records[2].metrics.empty());
}

// Minimised accuracy: the first epoch is the best.
TEST_F(TrainLoopTest, BestThatFoundNoRoom_IsNotTheBest) {
  class Full final : public CheckpointStore {
   public:
    Result<std::string> Save(const CheckpointView&, bool best) override {
      bests.push_back(best);
      if (bests.size() == 1) return ResourceExhausted("the disk is full");
      return std::string("saved");
    }
    Result<std::optional<Checkpoint>> LoadLatest() override { return std::optional<Checkpoint>(); }
    [[nodiscard]] std::string best_path() const override { return ""; }
    std::vector<bool> bests;
  } store;
  TinyTrial trial;
  const Params params = Read(R"({"epochs": 2, "batch_size": 16, "lr": 0.02})");
  ScriptedControl control;
  const auto end = RunTrainLoop({.trial = trial,
                                 .params = params,
                                 .train = train_,
                                 .validation = &validation_,
                                 .gang = gang_,
                                 .checkpoints = &store,
                                 .control = control,
                                 .accelerator = HostAccelerator(),
                                 .clock = clock_,
                                 .maximize = false});
  ASSERT_TRUE(end.ok());
  ASSERT_GT(control.records[1].metrics.at("validation/accuracy"),
            control.records[0].metrics.at("validation/accuracy"));
  EXPECT_EQ(store.bests, (std::vector<bool>{true, true}));
}

TEST_F(TrainLoopTest, TiedWeights_AreOneParameter) {
  class Tied final : public torch::nn::Module {
   public:
    Tied() {
      weight = register_parameter("in", at::full({3, 4}, 0.25));
      register_parameter("out", weight);
    }
    at::Tensor weight;
  };
  class TiedTrial final : public TinyTrial {
   public:
    std::shared_ptr<torch::nn::Module> Build(const Params&) override {
      return net_ = std::make_shared<Tied>();
    }
    at::Tensor Forward(const at::Tensor& x) override { return at::linear(x, net_->weight); }

   private:
    std::shared_ptr<Tied> net_;
  } trial;
  const Params params = Read(R"({"epochs": 1, "batch_size": 150, "lr": 0.1, "optimizer": "sgd"})");
  ScriptedControl control;
  const auto store = Store(1);
  const auto end = RunTrainLoop({.trial = trial,
                                 .params = params,
                                 .train = train_,
                                 .gang = gang_,
                                 .checkpoints = store.get(),
                                 .control = control,
                                 .accelerator = HostAccelerator(),
                                 .clock = clock_});
  ASSERT_TRUE(end.ok()) << end.error().message;
  const auto latest = store->LoadLatest();
  ASSERT_TRUE(latest.ok() && *latest);
  const auto velocities = std::ranges::count_if(
      (*latest)->tensors, [](const auto& t) { return t.name.starts_with("optimizer.velocity"); });
  EXPECT_EQ(velocities, 1);
}

TEST_F(TrainLoopTest, LabelsOfASmallerType_AreClassesToo) {
  ScriptedControl control;
  const auto reference = Run(kAdamW, control);
  for (const ElementType type : {ElementType::kI32, ElementType::kU8}) {
    train_ = Clouds(150, type);
    validation_ = Clouds(60, type);
    const auto end = Run(kAdamW, control);
    ASSERT_TRUE(end.ok()) << end.error().message;
    EXPECT_EQ(end->progress.metrics, reference->progress.metrics);
  }
}

TEST_F(TrainLoopTest, ReadingThrows_AnErrorNotTheEndOfTheProcess) {
  class Throwing final : public RowSource {
   public:
    [[nodiscard]] std::uint64_t rows() const override { return 3; }
    [[nodiscard]] const std::vector<Field>& fields() const override { return clouds_.fields(); }
    [[nodiscard]] std::string name() const override { return "big.h5"; }
    Status Read(std::size_t field, std::span<const std::uint64_t> rows,
                std::byte* out) const override {
      // A few rows are looked at before the first step, by another thread.
      if (std::this_thread::get_id() != caller_) throw std::bad_alloc();
      return clouds_.Read(field, rows, out);
    }

   private:
    Clouds clouds_{3};
    std::thread::id caller_ = std::this_thread::get_id();
  };
  TinyTrial trial;
  const Params params = Read(kAdamW);
  const Throwing throwing;
  ScriptedControl control;
  const auto end = RunOn(throwing, trial, params, control);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().message, "reading batch 0 of big.h5: std::bad_alloc");
}

TEST_F(TrainLoopTest, ColumnMissing_NamesIt) {
  class Other final : public RowSource {
   public:
    [[nodiscard]] std::uint64_t rows() const override { return 3; }
    [[nodiscard]] const std::vector<Field>& fields() const override { return fields_; }
    [[nodiscard]] std::string name() const override { return "other.h5"; }
    Status Read(std::size_t, std::span<const std::uint64_t>, std::byte*) const override {
      return Ok();
    }

   private:
    std::vector<Field> fields_ = {{"y", ElementType::kF32, {}}};
  };
  TinyTrial trial;
  const Params params = Read(kAdamW);
  const Other other;
  ScriptedControl control;
  const auto end = RunOn(other, trial, params, control);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().message, "other.h5 has no dataset 'x'; it has y f32 ()");
}

}  // namespace
}  // namespace muster::trainer
