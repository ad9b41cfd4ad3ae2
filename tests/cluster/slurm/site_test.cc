#include "cluster/slurm/site.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace muster::cluster::slurm {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TEST(SiteConfig, IsReadFromScontrol) {
  const SiteConfig config = ReadSiteConfig(
      "Configuration data as of 2026-11-27T22:04:18\n"
      "AccountingStorageType   = accounting_storage/slurmdbd\n"
      "MaxArraySize            = 1001\n"
      "SchedulerParameters     = bf_interval=1,max_array_tasks=300\n"
      "SLURM_VERSION           = 22.05.8\n");
  EXPECT_EQ(config.array_most, 300);
  EXPECT_TRUE(config.accounts);
  EXPECT_EQ(config.version, "22.05.8");
  EXPECT_EQ(ReadSiteConfig("MaxArraySize = 0\n").array_most, 1) << "no arrays";
  EXPECT_FALSE(ReadSiteConfig("AccountingStorageType = accounting_storage/none\n").accounts);
}

TEST(QueueFull, WhereMoreWouldPassALimit) {
  const std::string text =
      "ClusterName=c Account=root UserName=root(0) Partition= Priority=0 ID=2\n"
      "    GrpSubmitJobs=N(5) GrpWall=N(0.00)\n"
      "    MaxJobs= MaxJobsAccrue= MaxSubmitJobs=10(7) MaxWallPJ=\n";
  EXPECT_FALSE(IsQueueFull(text, 3));
  EXPECT_TRUE(IsQueueFull(text, 4));
  EXPECT_FALSE(IsQueueFull(text, 11)) << "an empty queue would not take them either";
  EXPECT_FALSE(IsQueueFull("", 1));
}

constexpr const char* kPartitions =
    "PartitionName=gpu AllowAccounts=Physics,chemistry AllowQos=ALL Default=YES MaxNodes=4 "
    "MaxTime=1-00:10:00 State=UP\n"
    "PartitionName=cpu AllowAccounts=ALL DenyAccounts=ALL DenyQos=free Default=NO "
    "MaxNodes=UNLIMITED "
    "MaxTime=UNLIMITED State=UP\n"
    "PartitionName=off Default=NO MaxNodes=UNLIMITED MaxTime=UNLIMITED State=DRAIN\n";

std::vector<Node> Nodes() {
  std::string text =
      "gpu* |16 |64000 |gpu:a100:4(S:0,1),nvme:1 |idle |\n"
      "gpu* |16 |64000 |gpu:a100:4 |mixed |\n"
      "gpu* |16 |64000 |gpu:a100:4 |drained |\n"
      "gpu* |16 |64000 |gpu:h100:8 |idle~ |\n"
      "cpu |64 |128000 |(null) |allocated |\n"
      "cpu |64 |128000 |(null) |down* |\n"
      "off |64 |128000 |(null) |idle |\n"
      "no row\n";
  std::ranges::replace(text, '|', '\x1f');
  return ReadNodes(text);
}

TEST(Fit, TellsNeverFromNotNow) {
  EXPECT_THAT(Nodes(), SizeIs(7));
  const struct {
    const char* partition;
    const char* account;
    const char* gpu_type;
    const char* constraint;
    int nodes, cpus, gpus;
    std::int64_t hours;
    Fit fit;
    const char* why;
  } cases[] = {
      {"", "physics", "", "", 2, 16, 4, 24, Fit::kYes, ""},
      {"", "", "", "", 2, 16, 4, 24, Fit::kYes, ""},
      {"", "biology", "", "", 1, 1, 0, 1, Fit::kNever, "account biology"},
      {"", "physics", "", "", 1, 1, 0, 25, Fit::kNever,
       "at most 1450 minutes, and 1500 are wanted"},
      {"", "physics", "", "", 5, 1, 0, 1, Fit::kNever, "at most 4 nodes"},
      {"", "physics", "a100", "", 3, 1, 1, 1, Fit::kNotNow, "2 of the 3 nodes of this size in use"},
      {"", "physics", "a100", "", 1, 1, 5, 1, Fit::kNever, "0 of the 1 nodes"},
      {"", "physics", "h100", "", 1, 1, 8, 1, Fit::kYes, ""},
      {"", "physics", "v100", "", 1, 1, 1, 1, Fit::kNever, "0 of the 1 nodes"},
      {"", "physics", "", "nvme", 1, 1, 1, 1, Fit::kNotNow, "in use"},
      {"cpu", "physics", "", "", 1, 64, 0, 9000, Fit::kYes, ""},
      {"cpu", "physics", "", "", 1, 65, 0, 1, Fit::kNever, "cpu has 0 of"},
      {"cpu", "physics", "", "", 2, 1, 0, 1, Fit::kNotNow, "cpu has 1 of"},
      {"cpu,gpu", "physics", "", "", 2, 1, 0, 1, Fit::kYes, ""},
      {"off", "", "", "", 1, 1, 0, 1, Fit::kNotNow, "off is not up"},
      {"none", "", "", "", 1, 1, 0, 1, Fit::kNever, "no partition none"},
  };
  const auto partitions = ReadPartitions(kPartitions);
  ASSERT_THAT(partitions, SizeIs(3));
  for (const auto& row : cases) {
    SlurmProfile profile;
    profile.partition = row.partition;
    profile.account = row.account;
    profile.gpu_type = row.gpu_type;
    profile.constraint = row.constraint;
    const JobRequest request{.nodes = row.nodes,
                             .cpus_per_node = row.cpus,
                             .gpus_per_node = row.gpus,
                             .time_seconds = row.hours * 3600};
    const Fitting fitting = FitOf(request, profile, partitions, Nodes());
    EXPECT_EQ(fitting.fit, row.fit) << row.partition << " " << row.why << ": " << fitting.why;
    EXPECT_THAT(fitting.why, HasSubstr(row.why));
  }
  EXPECT_EQ(FitOf({}, {}, {}, {}).fit, Fit::kNever) << "no default partition";
}

}  // namespace
}  // namespace muster::cluster::slurm
