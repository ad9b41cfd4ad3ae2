#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "trainer/cuda/accelerator.h"
#include "trainer/cuda/nccl.h"

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

}  // namespace
}  // namespace muster::trainer::cuda
