#include "cluster/rank_environment.h"

#include <gtest/gtest.h>

#include <map>

namespace muster::cluster {
namespace {

using Variables = std::map<std::string, std::string>;

std::optional<RankEnvironment> Read(const Variables& variables) {
  return ReadRankEnvironment([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  });
}

const Variables kTorchrun{
    {"RANK", "5"},         {"WORLD_SIZE", "8"},       {"LOCAL_RANK", "1"},
    {"GROUP_RANK", "1"},   {"LOCAL_WORLD_SIZE", "4"}, {"GROUP_WORLD_SIZE", "2"},
    {"MASTER_ADDR", "n0"}, {"MASTER_PORT", "29500"}};
const Variables kOpenMpi{{"OMPI_COMM_WORLD_RANK", "3"},       {"OMPI_COMM_WORLD_SIZE", "4"},
                         {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                         {"OMPI_COMM_WORLD_NODE_RANK", "7"},  {"PMIX_RANK", "3"}};
const Variables kHydra{
    {"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}};
const Variables kSrun{{"SLURM_PROCID", "6"},         {"SLURM_STEP_NUM_TASKS", "7"},
                      {"SLURM_LOCALID", "2"},        {"SLURM_NODEID", "1"},
                      {"SLURM_STEP_NUM_NODES", "2"}, {"SLURM_STEP_TASKS_PER_NODE", "4,3"},
                      {"SLURM_NTASKS", "7"}};
const Variables kBatchScript{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "7"}, {"SLURM_LOCALID", "0"}};

Variables Joined(std::initializer_list<Variables> parts) {
  Variables all;
  for (const Variables& part : parts) all.insert(part.begin(), part.end());
  return all;
}

Variables Without(Variables variables, const std::string& name) {
  variables.erase(name);
  return variables;
}

TEST(RankEnvironment, TheInnermostLauncherWhoseRankAndSizeFit_TellsAllOfIt) {
  const RankEnvironment torchrun{.source = RankSource::kTorchrun,
                                 .rank = 5,
                                 .world_size = 8,
                                 .local_rank = 1,
                                 .local_world_size = 4,
                                 .node_rank = 1,
                                 .nodes = 2,
                                 .master_address = "n0",
                                 .master_port = 29500};
  const RankEnvironment open_mpi{.source = RankSource::kOpenMpi,
                                 .rank = 3,
                                 .world_size = 4,
                                 .local_rank = 1,
                                 .local_world_size = 2,
                                 .node_rank = {},
                                 .nodes = {},
                                 .master_address = "",
                                 .master_port = 0};
  const RankEnvironment hydra{.source = RankSource::kPmi,
                              .rank = 1,
                              .world_size = 2,
                              .local_rank = 1,
                              .local_world_size = 2,
                              .node_rank = {},
                              .nodes = {},
                              .master_address = "",
                              .master_port = 0};
  const RankEnvironment srun{.source = RankSource::kSlurm,
                             .rank = 6,
                             .world_size = 7,
                             .local_rank = 2,
                             .local_world_size = 3,
                             .node_rank = 1,
                             .nodes = 2,
                             .master_address = "",
                             .master_port = 0};
  struct {
    std::string what;
    Variables variables;
    std::optional<RankEnvironment> wanted;
  } const table[] = {
      {"nothing", {}, std::nullopt},
      {"torchrun", kTorchrun, torchrun},
      {"Open MPI", kOpenMpi, open_mpi},
      {"Hydra", kHydra, hydra},
      {"srun", kSrun, srun},
      {"a batch script", kBatchScript, std::nullopt},
      {"torchrun in srun", Joined({kTorchrun, kSrun}), torchrun},
      {"mpirun in a batch script", Joined({kOpenMpi, kBatchScript}), open_mpi},
      {"srun --mpi=pmi2", Joined({{{"PMI_RANK", "6"}}, kSrun}), srun},
      {"muster's WORLD_SIZE around mpirun", Joined({{{"WORLD_SIZE", "4"}}, kOpenMpi}), open_mpi},
      {"a rank beyond the size", Joined({{{"RANK", "7"}, {"WORLD_SIZE", "7"}}, kSrun}), srun},
      {"a rank that is no number", Joined({{{"RANK", "first"}}, kTorchrun}), std::nullopt},
      {"a negative one", {{"RANK", "-1"}, {"WORLD_SIZE", "2"}}, std::nullopt},
      {"a size alone", Without(kTorchrun, "RANK"), std::nullopt},
  };
  for (const auto& row : table) {
    const auto found = Read(row.variables);
    EXPECT_EQ(found, row.wanted) << row.what;
  }
}

TEST(RankEnvironment, WhatContradictsTheRest_IsLeftOut) {
  const auto found = Read(
      Joined({{{"LOCAL_RANK", "4"}, {"GROUP_RANK", "2"}, {"MASTER_PORT", "70000"}}, kTorchrun}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->local_rank, std::nullopt);
  EXPECT_EQ(found->node_rank, std::nullopt);
  EXPECT_EQ(found->master_port, 0);
  EXPECT_EQ(Read(Joined({{{"LOCAL_WORLD_SIZE", "9"}}, kTorchrun}))->local_world_size, std::nullopt);
}

TEST(RankEnvironment, NodeRank_MayBeMusters) {
  Variables muster = Without(kTorchrun, "GROUP_RANK");
  muster["NODE_RANK"] = "1";
  EXPECT_EQ(Read(muster)->node_rank, 1);
}

TEST(RankEnvironment, OneNode_IsWhatTheLauncherSays) {
  EXPECT_FALSE(Read(kTorchrun)->one_node());
  EXPECT_TRUE(Read(Joined({{{"LOCAL_WORLD_SIZE", "8"}}, kTorchrun}))->one_node());
  EXPECT_TRUE(
      Read(Joined({{{"SLURM_STEP_NUM_NODES", "1"}, {"SLURM_NODEID", "0"}}, kSrun}))->one_node());
  EXPECT_FALSE(Read({{"RANK", "0"}, {"WORLD_SIZE", "2"}})->one_node()) << "nobody says so";
}

TEST(TasksOnNode, AsSlurmWritesThem) {
  struct {
    std::string text;
    int node;
    std::optional<std::int64_t> wanted;
  } const table[] = {{"4", 0, 4},           {"4", 1, std::nullopt}, {"4(x2),3", 0, 4},
                     {"4(x2),3", 1, 4},     {"4(x2),3", 2, 3},      {"4(x2),3", 3, std::nullopt},
                     {"", 0, std::nullopt}, {"x", 0, std::nullopt}, {"4(x", 0, 4}};
  for (const auto& row : table) EXPECT_EQ(TasksOnNode(row.text, row.node), row.wanted) << row.text;
}

TEST(TellsRank, OfEveryLauncher_ButNotTheJob) {
  for (const Variables& launcher : {kTorchrun, kOpenMpi, kHydra, kSrun}) {
    for (const auto& [name, value] : launcher) EXPECT_TRUE(TellsRank(name)) << name;
  }
  for (const char* name :
       {"SLURM_JOBID", "SLURM_NODELIST", "SLURM_STEP_NODELIST", "TORCHELASTIC_RUN_ID"})
    EXPECT_TRUE(TellsRank(name)) << name;
  for (const char* name : {"SLURM_JOB_ID", "SLURM_CONF", "PATH", "GROUP_ID", "CUDA_VISIBLE_DEVICES",
                           "OMPI_MCA_btl_tcp_if_include"})
    EXPECT_FALSE(TellsRank(name)) << name;
}

}  // namespace
}  // namespace muster::cluster
