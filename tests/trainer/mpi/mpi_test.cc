#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <boost/json/parse.hpp>

#include "tests/trainer/torch/tiny_trial.h"
#include "trainer/mpi/backend.h"
#include "trainer/rank_progress.h"
#include "trainer/torch/train_loop.h"

/// Run by mpirun on two or three ranks; every rank runs every test, in the same order. With "parts": the same in many
/// small calls of MPI. With "mismatch": ranks that disagree, alone.

namespace muster::trainer {
namespace {

const Gang* world = nullptr;
const RankProgress* progress = nullptr;

at::Tensor AllReduce(at::Tensor tensor, c10d::ReduceOp::RedOpType op) {
  std::vector<at::Tensor> tensors{std::move(tensor)};
  c10d::AllreduceOptions options;
  options.reduceOp = op;
  world->process_group()->allreduce(tensors, options)->wait();
  return tensors[0];
}

TEST(Collectives, AllReduce_EveryTypeAndOperation) {
  const auto [rank, size] = world->rank();
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kInt,
                                    at::kLong, at::kShort, at::kChar, at::kByte}) {
    const at::Tensor mine = at::full({30}, rank + 1, type);
    const auto sum = AllReduce(mine.clone(), c10d::ReduceOp::SUM);
    EXPECT_EQ(sum.scalar_type(), type);
    EXPECT_TRUE(at::equal(sum, at::full({30}, size * (size + 1) / 2, type))) << type;
    EXPECT_EQ(AllReduce(mine.clone(), c10d::ReduceOp::MIN)[29].item<std::int64_t>(), 1);
    EXPECT_EQ(AllReduce(mine.clone(), c10d::ReduceOp::MAX)[29].item<std::int64_t>(), size);
    EXPECT_EQ(AllReduce(mine.clone(), c10d::ReduceOp::PRODUCT)[29].item<std::int64_t>(),
              size == 2 ? 2 : 6);
    if (!at::isFloatingType(type)) continue;
    const auto mean = AllReduce(mine.clone(), c10d::ReduceOp::AVG);
    EXPECT_EQ(mean[29].item<double>(), static_cast<double>(size + 1) / 2);
  }
}

// bfloat16 has steps of 2 here: 256 + 0.75 + 0.75 is 258 rounded once, 256 rounded after each sum.
TEST(Collectives, AllReduceOfBFloat16_IsRoundedOnce) {
  const auto [rank, size] = world->rank();
  const at::Tensor mine = at::full({3}, rank == 0 ? 256 : 0.75, at::kBFloat16);
  const auto wanted =
      at::full({3}, 256 + 0.75 * static_cast<double>(size - 1), at::kFloat).to(at::kBFloat16);
  EXPECT_TRUE(at::equal(AllReduce(mine.clone(), c10d::ReduceOp::SUM), wanted));
}

TEST(Collectives, AllReduceCoalesced_EveryTensor) {
  const auto [rank, size] = world->rank();
  std::vector<at::Tensor> tensors;
  for (const std::int64_t count : {1, 0, 20})
    tensors.push_back(at::full({count}, rank, at::kFloat));
  world->process_group()->allreduce_coalesced(tensors, {})->wait();
  for (const at::Tensor& tensor : tensors) {
    EXPECT_TRUE(at::equal(tensor, at::full_like(tensor, size * (size - 1) / 2)));
  }
}

// Element i of rank r's input is 100 r + i.
TEST(Collectives, ReduceScatter_OwnPartOfTheSum) {
  const auto [rank, size] = world->rank();
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kLong}) {
    const at::Tensor input = at::arange(size * 10, type) + 100 * rank;
    const at::Tensor wanted =
        (at::arange(size * 10, at::kLong) * size + 50 * size * (size - 1)).to(type);
    at::Tensor output = at::empty({10}, type);
    at::Tensor in = input.clone();
    world->process_group()->_reduce_scatter_base(output, in, {})->wait();
    EXPECT_TRUE(at::equal(output, wanted.narrow(0, rank * 10, 10))) << type << output;
    EXPECT_TRUE(at::equal(in, input));
    // Into a part of its own input.
    at::Tensor own = in.narrow(0, rank * 10, 10);
    world->process_group()->_reduce_scatter_base(own, in, {})->wait();
    EXPECT_TRUE(at::equal(own, wanted.narrow(0, rank * 10, 10))) << type << own;
    // From a list.
    std::vector<at::Tensor> outputs{at::empty({2, 5}, type)};
    std::vector<std::vector<at::Tensor>> lists(1);
    for (const at::Tensor& part : input.split(10)) lists[0].push_back(part.view({2, 5}));
    c10d::ReduceScatterOptions options;
    options.reduceOp = c10d::ReduceOp::MAX;
    world->process_group()->reduce_scatter(outputs, lists, options)->wait();
    const auto largest = at::arange(size * 10, type) + 100 * (size - 1);
    EXPECT_TRUE(at::equal(outputs[0], largest.narrow(0, rank * 10, 10).view({2, 5})));
  }
}

TEST(Collectives, ManyAtOnce_FinishInOrder) {
  std::vector<c10::intrusive_ptr<c10d::Work>> works;
  std::vector<std::vector<at::Tensor>> tensors;
  for (int i = 0; i < 100; ++i) tensors.push_back({at::full({1000}, i, at::kFloat)});
  for (auto& one : tensors) works.push_back(world->process_group()->allreduce(one, {}));
  works.back()->wait();
  for (const auto& work : works) EXPECT_TRUE(work->isCompleted());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(tensors[static_cast<std::size_t>(i)][0][999].item<double>(),
              static_cast<double>(i * world->rank().world_size));
  }
}

TEST(Collectives, Broadcast_RankZerosValuesAndText) {
  const at::Tensor tensor = at::full({2, 3}, world->rank().rank + 5, at::kLong);
  world->Broadcast(std::vector<at::Tensor>{tensor, tensor.t()});
  EXPECT_TRUE(at::equal(tensor, at::full({2, 3}, 5, at::kLong)));
  EXPECT_EQ(world->Broadcast(world->first() ? std::string("from rank 0") : "x"), "from rank 0");
  EXPECT_EQ(world->Broadcast(std::string()), "");
}

TEST(Collectives, Broadcast_EveryElementTypeAndShape) {
  const auto mine = [](std::int64_t value) {
    std::vector<at::Tensor> tensors;
    for (const at::ScalarType type : {at::kBool, at::kHalf, at::kBFloat16, at::kLong, at::kByte,
                                      at::kDouble, at::kComplexFloat}) {
      tensors.push_back(at::full({3}, value, type));
      tensors.push_back(at::full({}, value, type));
    }
    tensors.push_back(at::empty({0, 2}, at::kHalf));
    tensors.push_back(at::full({2, 3}, value, at::kHalf).t());
    return tensors;
  };
  const std::vector<at::Tensor> tensors = mine(world->first() ? 1 : 0);
  world->Broadcast(tensors);
  EXPECT_TRUE(SameBits(tensors, mine(1)));
  for (const at::Tensor& tensor : mine(world->first() ? 1 : 0)) {
    world->Broadcast(std::vector<at::Tensor>{tensor});
    EXPECT_TRUE(at::equal(tensor, at::ones_like(tensor)));
  }
}

TEST(Collectives, AllGather_EveryRanksPart) {
  const auto [rank, size] = world->rank();
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBool}) {
    at::Tensor wanted = at::arange(size, at::kLong).repeat_interleave(20).to(type);
    at::Tensor mine = at::full({20}, rank, type);
    at::Tensor all = at::zeros({20 * size}, type);
    world->process_group()->_allgather_base(all, mine, {})->wait();
    EXPECT_TRUE(at::equal(all, wanted)) << type;
    all.zero_();
    at::Tensor own = all.narrow(0, 20 * rank, 20).copy_(mine);
    world->process_group()->_allgather_base(all, own, {})->wait();
    EXPECT_TRUE(at::equal(all, wanted)) << type;
    std::vector<std::vector<at::Tensor>> lists(1);
    for (std::int64_t i = 0; i < size; ++i) lists[0].push_back(at::zeros({4, 5}, type));
    std::vector<at::Tensor> inputs{mine.view({4, 5})};
    world->process_group()->allgather(lists, inputs, {})->wait();
    EXPECT_TRUE(at::equal(at::cat(lists[0]).view({-1}), wanted)) << type;
  }
  world->Barrier();
}

TEST(Gang, AllGather_TextsOfAnyLengthAndByte) {
  const auto [rank, size] = world->rank();
  const auto texts = world->AllGather(rank == 0 ? "" : "\xffrank " + std::to_string(rank) + "\n");
  ASSERT_EQ(static_cast<std::int64_t>(texts.size()), size);
  EXPECT_EQ(texts[0], "");
  EXPECT_EQ(texts[1], "\xffrank 1\n");
}

TEST(Progress, EveryCollective_IsCounted) {
  const RankState before = progress->Read();
  EXPECT_EQ(before.queued, before.finished);
  AllReduce(at::zeros({2}), c10d::ReduceOp::SUM);
  world->Barrier();
  const RankState after = progress->Read();
  EXPECT_EQ(after.queued, before.queued + 2);
  EXPECT_EQ(after.finished, before.queued + 2);
}

TEST(Collectives, WrongTensor_ThrowsItsWords) {
  EXPECT_THROW(AllReduce(at::zeros({2}, at::kComplexFloat), c10d::ReduceOp::SUM), c10::Error);
  EXPECT_THROW(AllReduce(at::zeros({2}), c10d::ReduceOp::BAND), c10::Error);
  EXPECT_THROW(AllReduce(at::zeros({2}, at::kInt), c10d::ReduceOp::AVG), c10::Error);
  EXPECT_THROW(AllReduce(at::zeros({2, 3}).t(), c10d::ReduceOp::SUM), c10::Error);
  at::Tensor mine = at::zeros({2}), all = at::zeros({2 * world->rank().world_size + 1});
  EXPECT_THROW(world->process_group()->_allgather_base(all, mine, {}), c10::Error);
  EXPECT_THROW(world->process_group()->_reduce_scatter_base(mine, all, {}), c10::Error);
}

TEST(JoinWorld, SecondTime_Refused) {
  const auto again = mpi::JoinWorld();
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().kind, ErrorKind::kAlreadyExists);
}

constexpr const char* kPlain = R"({"epochs": 3, "batch_size": 10, "lr": 0.02})";

Result<LoopEnd> TryTrain(const Gang& gang, Control& control, Trial& trial, CheckpointStore* store,
                         const char* json, std::int64_t seed = 5) {
  // 151 rows: the last global batch of 15 x 10 + 1 leaves ranks without rows.
  const Clouds train(151), validation(31);
  const auto params =
      ReadParams(WithLoopParams(trial.params()), boost::json::parse(json).as_object());
  EXPECT_TRUE(params.ok()) << params.error().message;
  FakeClock clock;
  return RunTrainLoop({.trial = trial,
                       .params = *params,
                       .train = train,
                       .validation = &validation,
                       .gang = gang,
                       .checkpoints = store,
                       .control = control,
                       .accelerator = HostAccelerator(),
                       .clock = clock,
                       .seed = seed});
}

LoopEnd Train(const Gang& gang, Control& control, TinyTrial&& trial = TinyTrial(),
              CheckpointStore* store = nullptr, const char* json = kPlain) {
  auto end = TryTrain(gang, control, trial, store, json);
  EXPECT_TRUE(end.ok()) << end.error().message;
  return std::move(end).value();
}

// float32 sums in another order: after 48 AdamW steps within 1e-4 of weights of about 1.
TEST(DataParallel, TwoRanks_LearnWhatOneDoes) {
  ScriptedControl control;
  const LoopEnd together = Train(*world, control);
  const LoopEnd alone = Train(Gang(), control);
  const auto mine = Weights(*together.module);
  const auto reference = Weights(*alone.module);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    EXPECT_LT((mine[i] - reference[i]).abs().max().item<double>(), 1e-4);
  }
  EXPECT_NEAR(together.progress.metrics.at("train/loss"), alone.progress.metrics.at("train/loss"),
              1e-4);
  EXPECT_EQ(together.progress.metrics.at("validation/accuracy"),
            alone.progress.metrics.at("validation/accuracy"));
}

TEST(DataParallel, RanksAndRuns_AgreeBitForBit) {
  ScriptedControl control;
  const auto first = Weights(*Train(*world, control).module);
  const auto second = Weights(*Train(*world, control).module);
  EXPECT_TRUE(SameBits(first, second));
  std::vector<at::Tensor> of_first_rank;
  for (const at::Tensor& tensor : first) of_first_rank.push_back(tensor.clone());
  world->Broadcast(of_first_rank);
  EXPECT_TRUE(SameBits(first, of_first_rank));
}

// Only the last rank hears the command.
TEST(DataParallel, OneRankToldToStop_AllStop) {
  const bool told = world->rank().rank == world->rank().world_size - 1;
  ScriptedControl control(told ? 1 : 0, Command::kStop);
  const LoopEnd end = Train(*world, control);
  EXPECT_EQ(end.why, LoopEnd::Why::kStopped);
  EXPECT_EQ(end.progress.step, 1);
}

/// Shifts its inputs by a running mean of them, which it goes on computing while it trains.
class ShiftingTrial final : public TinyTrial {
 public:
  std::shared_ptr<torch::nn::Module> Build(const Params& params) override {
    auto net = TinyTrial::Build(params);
    mean_ = net->register_buffer("mean", at::zeros({4}));
    net_ = net.get();
    return net;
  }
  at::Tensor Forward(const at::Tensor& x) override {
    if (net_->is_training() && x.size(0) > 0) mean_.mul_(0.9).add_(x.mean(0), 0.1);
    return TinyTrial::Forward(x - mean_);
  }

 private:
  torch::nn::Module* net_ = nullptr;
  at::Tensor mean_;
};

class MemoryStore final : public CheckpointStore {
 public:
  Result<std::string> Save(const CheckpointView& checkpoint, bool) override {
    latest_ = checkpoint.Copy();
    return std::string("memory");
  }
  Result<std::optional<Checkpoint>> LoadLatest() override { return latest_; }
  [[nodiscard]] std::string best_path() const override { return "memory"; }

 private:
  std::optional<Checkpoint> latest_;
};

TEST(DataParallel, ForwardThatReadsABuffer_ResumesWithTheSameBits) {
  ScriptedControl quiet;
  const auto whole = Weights(*Train(*world, quiet, ShiftingTrial()).module);
  MemoryStore store;
  CheckpointStore* const mine = world->first() ? &store : nullptr;
  ScriptedControl stopping(1, Command::kStop);
  EXPECT_EQ(Train(*world, stopping, ShiftingTrial(), mine).why, LoopEnd::Why::kStopped);
  const auto resumed = Weights(*Train(*world, quiet, ShiftingTrial(), mine).module);
  EXPECT_TRUE(SameBits(whole, resumed));
}

constexpr const char* kSharded =
    R"({"epochs": 3, "batch_size": 10, "lr": 0.02, "zero": "on", "clip_norm": 0.1, "ema_decay": 0.5,
        "accumulate": 2, "bucket_mb": 0.001})";

void ExpectNear(const std::vector<at::Tensor>& mine, const std::vector<at::Tensor>& wanted) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_LT((mine[i] - wanted[i]).abs().max().item<double>(), 1e-4) << i;
  }
}

// Stopped and gone on from as one rank, and again as many: optimizer state is whole in checkpoints.
TEST(Sharded, AnyNumberOfRanksGoesOn_LearnsWhatOneDoes) {
  ScriptedControl quiet;
  const auto wanted = Weights(*Train(Gang(), quiet, TinyTrial(), nullptr, kSharded).module);
  const auto whole = Weights(*Train(*world, quiet, TinyTrial(), nullptr, kSharded).module);
  ExpectNear(whole, wanted);

  MemoryStore store;
  CheckpointStore* const mine = world->first() ? &store : nullptr;
  ScriptedControl stopping(1, Command::kStop);
  EXPECT_EQ(Train(*world, stopping, TinyTrial(), mine, kSharded).why, LoopEnd::Why::kStopped);
  MemoryStore copy = store;
  CheckpointStore* const of_copy = world->first() ? &copy : nullptr;
  const auto resumed = Weights(*Train(*world, quiet, TinyTrial(), of_copy, kSharded).module);
  EXPECT_TRUE(SameBits(resumed, whole));

  if (world->first()) {
    ScriptedControl stopping_later(2, Command::kStop);
    const LoopEnd alone = Train(Gang(), stopping_later, TinyTrial(), mine, kSharded);
    EXPECT_EQ(alone.why, LoopEnd::Why::kStopped);
    EXPECT_GT(alone.progress.step, 1);
  }
  world->Barrier();
  ExpectNear(Weights(*Train(*world, quiet, TinyTrial(), mine, kSharded).module), wanted);
}

/// `never` takes no part, `seldom` on one rank alone, in every second step.
class BranchingTrial final : public TinyTrial {
 public:
  std::shared_ptr<torch::nn::Module> Build(const Params& params) override {
    auto net = TinyTrial::Build(params);
    never = net->register_parameter("never", at::ones({2}));
    seldom = net->register_parameter("seldom", at::ones({3}));
    return net;
  }
  at::Tensor Forward(const at::Tensor& x) override {
    const at::Tensor logits = TinyTrial::Forward(x);
    const bool takes_part = gang() != nullptr && gang()->first() && ++steps_ % 2 == 0;
    return takes_part ? logits * seldom : logits;
  }
  at::Tensor never, seldom;

 private:
  int steps_ = 0;
};

TEST(DataParallel, UnusedParameters_KeepTheirWeightsOrLearnOnAllRanks) {
  for (const char* json :
       {R"({"epochs": 1, "batch_size": 10, "find_unused": "on"})",
        R"({"epochs": 1, "batch_size": 10, "find_unused": "on", "accumulate": 2})",
        R"({"epochs": 1, "batch_size": 10, "find_unused": "on", "zero": "on"})"}) {
    ScriptedControl quiet;
    BranchingTrial trial;
    const auto end = TryTrain(*world, quiet, trial, nullptr, json);
    ASSERT_TRUE(end.ok()) << end.error().message;
    EXPECT_TRUE(at::equal(trial.never, at::ones({2})));
    EXPECT_FALSE(at::equal(trial.seldom, at::ones({3})));
    const auto weights = Weights(*end->module);
    std::vector<at::Tensor> of_first_rank;
    for (const at::Tensor& tensor : weights) of_first_rank.push_back(tensor.clone());
    world->Broadcast(of_first_rank);
    EXPECT_TRUE(SameBits(weights, of_first_rank)) << json;
  }
}

TEST(DataParallel, RanksOfOtherSeeds_AllNameThem) {
  ScriptedControl quiet;
  TinyTrial trial;
  const auto end = TryTrain(*world, quiet, trial, nullptr, kPlain, world->rank().rank == 1 ? 6 : 5);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().message, "rank 1 does not have what rank 0 has: seed is 6, wanted 5");
}

TEST(DataParallel, EveryRank_TellsOfItsStepsAtTheSameOnes) {
  ScriptedControl control;
  TinyTrial trial;
  const Clouds train(64);
  const auto params =
      ReadParams(WithLoopParams(trial.params()),
                 boost::json::parse(R"({"epochs": 2, "batch_size": 8})").as_object());
  ASSERT_TRUE(RunTrainLoop({.trial = trial,
                            .params = *params,
                            .train = train,
                            .gang = *world,
                            .control = control,
                            .accelerator = HostAccelerator(),
                            .clock = SystemClock(),
                            .agree_every = 3,
                            .telemetry_seconds = 0})
                  .ok());
  std::vector<std::int64_t> steps;
  for (const wire::TrialRecord& record : control.records) {
    EXPECT_TRUE(world->first() || record.type == wire::RecordType::kProgress);
    if (record.type != wire::RecordType::kProgress) continue;
    EXPECT_EQ(record.rank, world->rank().rank);
    EXPECT_EQ(record.metrics.size(), 8U);
    EXPECT_GE(record.metrics.at("step_seconds"), record.metrics.at("compute_seconds"));
    steps.push_back(record.step);
  }
  // 16 steps; after each agreement, of which the last is that of the last epoch.
  ASSERT_FALSE(steps.empty());
  EXPECT_EQ(steps.back(), 16);
  std::vector<double> said(16, 0);
  for (const std::int64_t step : steps) said.at(static_cast<std::size_t>(step - 1)) += 1;
  const std::vector<double> mine = said;
  world->Sum(said);
  for (std::size_t i = 0; i < said.size(); ++i) EXPECT_EQ(said[i], 2 * mine[i]) << "step " << i + 1;
}

TEST(DataParallel, FirstRanksRecordsGoNowhere_AllHearOfIt) {
  class Gone final : public Control {
   public:
    Status Send(const wire::TrialRecord&) override { return Unavailable("nobody listens"); }
    Command Poll() override { return Command::kNone; }
    Status Flush() override { return Ok(); }
  } control;
  TinyTrial trial;
  const Clouds train(20);
  const auto params = ReadParams(WithLoopParams(trial.params()), {});
  FakeClock clock;
  const auto end = RunTrainLoop({.trial = trial,
                                 .params = *params,
                                 .train = train,
                                 .gang = *world,
                                 .control = control,
                                 .accelerator = HostAccelerator(),
                                 .clock = clock});
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().message, world->first() ? "nobody listens" : "rank 0: nobody listens");
}

}  // namespace
}  // namespace muster::trainer

namespace {

/// The last collective of all: nothing can follow it.
int Mismatch() {
  using namespace muster::trainer;
  const std::int64_t size = world->first() ? 4 : 5;
  try {
    AllReduce(at::zeros({size}), c10d::ReduceOp::SUM);
    std::printf("nobody noticed\n");
  } catch (const std::exception& error) {
    std::printf("rank %d hears: %s\n", static_cast<int>(world->rank().rank), error.what());
  }
  std::fflush(stdout);
  std::_Exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const std::string mode = argc > 1 ? argv[1] : "";
  at::set_num_threads(1);
  muster::trainer::RankProgress progress;
  muster::trainer::mpi::BackendOptions options{.progress = &progress};
  if (mode == "parts") options.part_most = 7;
  auto backend = muster::trainer::mpi::JoinWorld(options);
  if (!backend.ok() || (*backend)->getSize() < 2) {
    std::fprintf(stderr, "wanted two ranks: mpirun -n 2 ...\n");
    return 1;
  }
  const muster::trainer::Gang gang(*backend);
  muster::trainer::world = &gang;
  muster::trainer::progress = &progress;
  return mode == "mismatch" ? Mismatch() : RUN_ALL_TESTS();
}
