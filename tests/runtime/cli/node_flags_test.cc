#include "runtime/cli/node_flags.h"

#include <gmock/gmock.h>

namespace muster::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

/// On a machine whose driver knows two GPUs, of 80 and 40 GiB (tests/cluster/fake_nvml.cc).
Result<server::Inventory> InventoryWith(const NodeFlags& flags,
                                        std::map<std::string, std::string> environment = {}) {
  return InventoryOf(flags, 0,
                     {.environment = [&](const char* name) { return environment[name]; },
                      .nvml = MUSTER_TEST_NVML,
                      .cgroup_root = "/nowhere"});
}

TEST(NodeFlags, GpusAndTheirMemory_AreTheDrivers) {
  const auto all = InventoryWith({});
  ASSERT_TRUE(all.ok()) << all.error().message;
  EXPECT_EQ(all->gpus, 2);
  EXPECT_THAT(all->gpu_memory, ElementsAre(80 * kGiB, 40 * kGiB));
  EXPECT_THAT(InventoryWith({.gpus = "1"})->gpu_memory, ElementsAre(80 * kGiB));
  EXPECT_THAT(InventoryWith({.gpus = "0"})->gpu_memory, IsEmpty());
}

TEST(NodeFlags, GpusThatAreToldByHand_AreBelieved) {
  EXPECT_THAT(InventoryWith({.gpus = "3"})->gpu_memory, IsEmpty()) << "more than the driver knows";
  EXPECT_THAT(InventoryWith({.gpu_memory = "30GiB"})->gpu_memory,
              ElementsAre(30 * kGiB, 30 * kGiB));
}

TEST(NodeFlags, GpusThatAreNoNumber_AreRefused) {
  EXPECT_THAT(InventoryWith({.gpus = "all"}).error().message, HasSubstr("--gpus all"));
  EXPECT_THAT(InventoryWith({.gpus = "2000"}).error().message, HasSubstr("wanted at most 1024"));
}

TEST(NodeFlags, InASlurmJob_WhatItHasIsAll) {
  const auto has = InventoryWith({}, {{"SLURM_JOB_ID", "7"},
                                      {"SLURM_CPUS_ON_NODE", "1"},
                                      {"SLURM_MEM_PER_NODE", "512"},
                                      {"CUDA_VISIBLE_DEVICES", "1"}});
  ASSERT_TRUE(has.ok()) << has.error().message;
  EXPECT_EQ(has->slots, 1);
  EXPECT_EQ(has->resources.at("memory"), 512 << 20);
  EXPECT_THAT(has->gpu_memory, ElementsAre(40 * kGiB)) << "the second of two";
}

}  // namespace
}  // namespace muster::cli
