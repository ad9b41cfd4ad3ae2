#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "tests/trainer/torch/tiny_learner.h"
#include "trainer/cuda/accelerator.h"
#include "trainer/cuda/nccl.h"
#include "trainer/torch/snapshot.h"

/// Most of it wants a GPU. Two ranks need two GPUs; one rank shows that the library loads, joins and reduces.

namespace muster::trainer::cuda {
namespace {

const NcclOptions kAlone{.master_address = "127.0.0.1", .master_port = 0};

TEST(Nccl, WithoutGpu_UnavailableWithItsWords) {
  if (torch::cuda::device_count() > 0) GTEST_SKIP() << "this machine has a GPU";
  const auto backend = JoinWorld(kAlone);
  ASSERT_FALSE(backend.ok());
  EXPECT_EQ(backend.error().kind, ErrorKind::kUnavailable);
  EXPECT_TRUE(backend.error().message.starts_with("NCCL: ")) << backend.error().message;
}

TEST(Nccl, OneRank_ReducesItsOwn) {
  if (torch::cuda::device_count() == 0) GTEST_SKIP() << "this machine has no GPU";
  const auto backend = JoinWorld(kAlone);
  ASSERT_TRUE(backend.ok()) << backend.error().message;
  std::vector<at::Tensor> tensors{at::full({8}, 3.0, at::TensorOptions().device(at::kCUDA))};
  (*backend)->allreduce(tensors, {})->wait();
  EXPECT_EQ(tensors[0].sum().item<double>(), 24.0);
}

class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    if (torch::cuda::device_count() == 0) GTEST_SKIP() << "this machine has no GPU";
    auto made = MakeCudaAccelerator(0);
    ASSERT_TRUE(made.ok()) << made.error().message;
    accelerator_ = std::move(made).value();
  }
  static void ExpectNear(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b,
                         double tolerance) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_LT((a[i] - b[i]).abs().max().item<double>(), tolerance) << i;
    }
  }
  std::unique_ptr<Accelerator> accelerator_;
};

TEST(Accelerator, WithoutGpu_UnavailableWithItsWords) {
  if (torch::cuda::device_count() > 0) GTEST_SKIP() << "this machine has a GPU";
  const auto made = MakeCudaAccelerator(0);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().kind, ErrorKind::kUnavailable);
}

TEST_F(Gpu, TrainsAsTheHostDoes) {
  double on_gpu = 0;
  double on_host = 0;
  const auto gpu = TrainTiny("{}", *accelerator_, Gang(), &on_gpu);
  const auto host = TrainTiny("{}", HostAccelerator(), Gang(), &on_host);
  ExpectNear(gpu, host, 1e-3);
  EXPECT_NEAR(on_gpu, on_host, 1e-2);
}

TEST_F(Gpu, SameSeed_SameBits) {
  const char* dropout = R"({"dropout": 0.3})";
  EXPECT_TRUE(SameBits(TrainTiny(dropout, *accelerator_, Gang()),
                       TrainTiny(dropout, *accelerator_, Gang())));
}

TEST_F(Gpu, Graph_SameBitsAsStepByStep) {
  for (const char* precision : {"fp32", "bf16"}) {
    for (const char* dropout : {"0.0", "0.3"}) {
      const std::string common =
          std::string(R"({"precision": ")") + precision + R"(", "dropout": )" + dropout;
      const auto plain = TrainTiny((common + "}").c_str(), *accelerator_, Gang());
      const auto graph =
          TrainTiny((common + R"(, "cuda_graph": "on"})").c_str(), *accelerator_, Gang());
      EXPECT_TRUE(SameBits(plain, graph)) << common;
    }
  }
}

TEST_F(Gpu, GraphWithClippingAveragesAndScaling_SameBitsAsStepByStep) {
  const std::string all = R"({"dropout": 0.3, "clip_norm": 0.5, "ema_decay": 0.9, "accumulate": 2,
                              "precision": "fp16")";
  EXPECT_TRUE(
      SameBits(TrainTiny((all + "}").c_str(), *accelerator_, Gang()),
               TrainTiny((all + R"(, "cuda_graph": "on"})").c_str(), *accelerator_, Gang())));
}

TEST_F(Gpu, LowerPrecisions_LearnNearlyTheSame) {
  const auto whole = TrainTiny("{}", *accelerator_, Gang());
  ExpectNear(TrainTiny(R"({"precision": "bf16"})", *accelerator_, Gang()), whole, 0.05);
  ExpectNear(TrainTiny(R"({"precision": "fp16"})", *accelerator_, Gang()), whole, 0.05);
}

TEST_F(Gpu, NcclOfOneRank_SameBitsAsAlone) {
  auto nccl = JoinWorld(kAlone);
  ASSERT_TRUE(nccl.ok()) << nccl.error().message;
  const Gang gang({}, *nccl);
  EXPECT_FALSE(gang.alone());
  EXPECT_TRUE(
      SameBits(TrainTiny("{}", *accelerator_, gang), TrainTiny("{}", *accelerator_, Gang())));
}

TEST_F(Gpu, Uploads_ArriveWhole) {
  for (int i = 0; i < 100; ++i) {
    at::Tensor host = accelerator_->HostBuffer({1 << 16}, at::kFloat);
    host.fill_(i);
    Upload upload = accelerator_->Start({host});
    upload.wait();
    EXPECT_EQ(upload.tensors[0].sum().item<double>(), static_cast<double>(i << 16));
  }
  EXPECT_GT(accelerator_->peak_bytes(), 1 << 18);
}

TEST_F(Gpu, Snapshot_IsOfTheMomentItWasTakenAndPinned) {
  const auto on_gpu = at::TensorOptions().device(at::kCUDA);
  const NamedTensors state = {{"model.large", at::rand({1 << 24}, on_gpu)},
                              {"model.transposed", at::rand({300, 500}, on_gpu).t()},
                              {"model.half", at::rand({7}, on_gpu).to(at::kBFloat16)},
                              {"optimizer.steps", at::full({}, 3.0)}};
  Snapshot snapshot;
  snapshot.Reserve(state);
  for (int i = 0; i < 3; ++i) {
    state[0].second.fill_(i);
    const auto wanted = StoreTensors(state);
    ASSERT_TRUE(wanted.ok());
    ASSERT_TRUE(snapshot.Take(state).ok());
    state[0].second.fill_(-1);  // queued behind the copy
    snapshot.Wait();
    CheckpointView view;
    view.tensors = snapshot.tensors();
    EXPECT_EQ(view.Copy().tensors, *wanted);
  }
}

}  // namespace
}  // namespace muster::trainer::cuda
