#include "cluster/local/allowance.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "runtime/base/random.h"

namespace muster::cluster::local {
namespace {

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

TEST(AllowanceOf, TheLeastThatAnybodySays) {
  struct {
    std::string what;
    AllowanceFacts facts;
    int cpus;
    std::int64_t memory;
  } const table[] = {
      {"the machine", {.online_cpus = 64, .machine_memory = 512 * kGiB}, 64, 512 * kGiB},
      {"a mask", {.online_cpus = 64, .affinity_cpus = 8}, 8, 0},
      {"a quota", {.online_cpus = 64, .quota_cpus = 2.5}, 2, 0},
      {"half a CPU", {.online_cpus = 64, .quota_cpus = 0.5}, 1, 0},
      {"a container of more than the machine",
       {.online_cpus = 4, .quota_cpus = 8, .machine_memory = kGiB, .group_memory = 9 * kGiB},
       4,
       kGiB},
      {"a limit alone", {.group_memory = kGiB}, 1, kGiB},
      {"Slurm without binding",
       {.online_cpus = 64,
        .affinity_cpus = 64,
        .machine_memory = 512 * kGiB,
        .slurm_cpus = 16,
        .slurm_memory = 32 * kGiB},
       16,
       32 * kGiB},
      {"Slurm, bound to less", {.online_cpus = 64, .affinity_cpus = 4, .slurm_cpus = 16}, 4, 0},
      {"Slurm's --mem=0", {.machine_memory = 8 * kGiB, .slurm_memory = 0}, 1, 8 * kGiB},
      {"a site that gives out more than there is",
       {.online_cpus = 2, .affinity_cpus = 2, .slurm_cpus = 8},
       8,
       0},
  };
  for (const auto& row : table) {
    const Allowance may = AllowanceOf(row.facts);
    EXPECT_EQ(may.cpus, row.cpus) << row.what;
    EXPECT_EQ(may.memory_bytes, row.memory) << row.what;
  }
}

/// A tree such as /sys/fs/cgroup.
class ReadAllowanceTest : public testing::Test {
 protected:
  ~ReadAllowanceTest() override { std::filesystem::remove_all(root_); }
  void Write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text << '\n';
  }
  AllowanceFacts Read(std::string_view self, std::map<std::string, std::string> environment = {}) {
    return ReadAllowance([&](const char* name) { return environment[name]; }, root_, self);
  }
  std::filesystem::path root_ =
      std::filesystem::temp_directory_path() / ("muster-groups-" + RandomHex(8));
};

TEST_F(ReadAllowanceTest, VersionTwo_TheNarrowestGroupAboveUs) {
  Write("a/cpu.max", "150000 100000");
  Write("a/b/cpu.max", "max 100000");
  Write("a/b/memory.max", "max");
  Write("a/memory.max", "1073741824");
  const auto facts = Read("0::/a/b\n");
  EXPECT_DOUBLE_EQ(facts.quota_cpus, 1.5);
  EXPECT_EQ(facts.group_memory, kGiB);
}

TEST_F(ReadAllowanceTest, VersionOne_NoLimitIsALargeNumber) {
  Write("cpu/x/cpu.cfs_quota_us", "-1");
  Write("cpu/x/cpu.cfs_period_us", "100000");
  Write("memory/x/memory.limit_in_bytes", "9223372036854771712");
  const auto none = Read("4:memory:/x\n1:cpu:/x\n");
  EXPECT_EQ(none.quota_cpus, 0);
  EXPECT_EQ(none.group_memory, 0);
  Write("cpu/x/cpu.cfs_quota_us", "300000");
  Write("memory/memory.limit_in_bytes", "1073741824");
  const auto some = Read("4:memory:/x\n1:cpu:/x\n");
  EXPECT_DOUBLE_EQ(some.quota_cpus, 3);
  EXPECT_EQ(some.group_memory, kGiB);
}

TEST_F(ReadAllowanceTest, Slurm_CountsInAJobAlone) {
  std::map<std::string, std::string> job{{"SLURM_CPUS_ON_NODE", "4"}, {"SLURM_MEM_PER_CPU", "100"}};
  EXPECT_EQ(Read("", job).slurm_cpus, std::nullopt);
  job["SLURM_JOB_ID"] = "7";
  EXPECT_EQ(Read("", job).slurm_cpus, 4);
  EXPECT_EQ(Read("", job).slurm_memory, 400LL << 20);
  job["SLURM_MEM_PER_NODE"] = "64";
  EXPECT_EQ(Read("", job).slurm_memory, 64LL << 20);
}

}  // namespace
}  // namespace muster::cluster::local
