#include "cluster/local/gpus.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <map>

#include "cluster/local/contract.h"
#include "cluster/local/visible_devices.h"

namespace muster::cluster::local {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

TEST(VisibleNames, AsCudaReadsThem) {
  EXPECT_THAT(VisibleNames("2,5"), ElementsAre("2", "5"));
  EXPECT_THAT(VisibleNames("GPU-aa, MIG-bb"), ElementsAre("GPU-aa", "MIG-bb"));
  EXPECT_THAT(VisibleNames("1,-1,2"), ElementsAre("1"));
  EXPECT_THAT(VisibleNames("0,0,1"), ElementsAre("0"));
  EXPECT_THAT(VisibleNames("NoDevFiles"), IsEmpty());
  EXPECT_THAT(VisibleNames(""), IsEmpty());
}

TEST(DeviceName, ByPositionAmongTheAgents) {
  const std::string visible = "2,GPU-bb";
  EXPECT_EQ(DeviceName(nullptr, 1), "1");
  EXPECT_EQ(DeviceName(&visible, 0), "2");
  EXPECT_EQ(DeviceName(&visible, 1), "GPU-bb");
  EXPECT_EQ(DeviceName(&visible, 2), "2") << "more than it has: as it was told by hand";
}

TEST(RankEnvironmentOfGpus, AgentThatSeesSome_HandsOutTheirNames) {
  const AttemptFolder folder("/nowhere/attempts/7", "home");
  wire::Prepare prepare{.epoch = AttemptEpoch(7), .ranks = 2};
  prepare.gpus_per_rank = 1;
  prepare.devices = {{.device = 0}, {.device = 2}};
  const Environment agents{{"CUDA_VISIBLE_DEVICES", "4,GPU-bb,MIG-cc"}};
  Environment rank = GangEnvironment(agents, folder, "home", prepare, {});
  AddRank(rank, prepare, 1);
  EXPECT_EQ(rank["CUDA_VISIBLE_DEVICES"], "4,MIG-cc") << "all of the gang's, as under torchrun";
  EXPECT_EQ(rank["CUDA_DEVICE_ORDER"], "PCI_BUS_ID");
  prepare.gpus_per_rank = 0;  // each a share of one
  prepare.devices = {{.device = 2, .milli = 500}, {.device = 1, .milli = 500}};
  for (const auto& [number, name] : {std::pair(0, "MIG-cc"), std::pair(1, "GPU-bb")}) {
    Environment share = GangEnvironment(agents, folder, "home", prepare, {});
    AddRank(share, prepare, number);
    EXPECT_EQ(share["CUDA_VISIBLE_DEVICES"], name);
  }
  Environment all = GangEnvironment({}, folder, "home", prepare, {});
  AddRank(all, prepare, 0);
  EXPECT_EQ(all["CUDA_VISIBLE_DEVICES"], "2") << "numbers where the agent sees the whole machine";
}

/// On a machine of two GPUs of 80 and 40 GiB and a part of the first, of 10 GiB (fake_nvml.cc).
std::vector<Gpu> Visible(std::map<std::string, std::string> environment,
                         const std::string& nvml = MUSTER_TEST_NVML) {
  return VisibleGpus([&](const char* name) { return environment[name]; }, nvml);
}

TEST(VisibleGpus, NamesSizesAndPlaces_AreThoseThatTheAgentSees) {
  struct {
    std::string visible;
    std::vector<std::string> names;
    std::vector<std::int64_t> gib;
  } const table[] = {{"", {"0", "1"}, {80, 40}},
                     {"1", {"1"}, {40}},
                     {"1,0", {"1", "0"}, {40, 80}},
                     {"GPU-bbbb", {"GPU-bbbb"}, {40}},
                     {"MIG-cccc,1", {"MIG-cccc", "1"}, {10, 40}},
                     {"0,7,1", {"0"}, {80}},
                     {"MIG-dddd", {}, {}},
                     {"NoDevFiles", {}, {}}};
  for (const auto& row : table) {
    const auto gpus = Visible({{"CUDA_VISIBLE_DEVICES", row.visible}});
    ASSERT_EQ(gpus.size(), row.names.size()) << row.visible;
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      EXPECT_EQ(gpus[i].name, row.names[i]) << row.visible;
      EXPECT_EQ(gpus[i].memory_bytes, row.gib[i] * kGiB) << row.visible;
    }
  }
  EXPECT_EQ(Visible({})[1].pci, "0000:af:00.0");
}

TEST(VisibleGpus, WithoutADriver_SlurmIsBelieved) {
  if (std::filesystem::exists("/dev/nvidia0")) GTEST_SKIP() << "this machine has GPUs";
  EXPECT_THAT(Visible({{"CUDA_VISIBLE_DEVICES", "0,1"}}, "none.so"), IsEmpty());
  EXPECT_EQ(
      Visible({{"CUDA_VISIBLE_DEVICES", "0,1"}, {"SLURM_STEP_GPUS", "4,5"}}, "none.so").size(), 2);
}

}  // namespace
}  // namespace muster::cluster::local
