#include "cluster/binding.h"

#include <gmock/gmock.h>

#include "cluster/local/topology.h"

namespace muster::cluster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// `numa` nodes of `cores` cores of `threads` threads, numbered as Linux does: first threads first.
Topology Machine(int numa, int cores, int threads = 1) {
  Topology machine;
  for (int core = 0; core < numa * cores; ++core) {
    machine.cores.push_back({.numa = core / cores, .cpus = {}});
    for (int thread = 0; thread < threads; ++thread)
      machine.cores.back().cpus.push_back(thread * numa * cores + core);
  }
  return machine;
}

/// What each rank holds and, where that is another thing, where it may run: "0-1 in 0-3".
std::vector<std::string> Chosen(const Topology& machine, const BindRequest& request) {
  std::vector<std::string> texts;
  for (const RankCpus& rank : ChooseCpus(machine, request)) {
    texts.push_back(CpuListText(rank.held));
    if (rank.cpus != rank.held) texts.back() += " in " + CpuListText(rank.cpus);
  }
  return texts;
}

std::vector<int> Ranks(int count, int near = -1) {
  return std::vector<int>(static_cast<std::size_t>(count), near);
}

TEST(ChooseCpus, AGang_IsWholeOnOneNumaNodeWhereItFits) {
  const Topology machine = Machine(2, 4);
  const BindRequest pair{
      .how = Bind::kCore, .slots = 8, .cpus_per_rank = 2, .near = Ranks(2), .held = {}};
  EXPECT_THAT(Chosen(machine, pair), ElementsAre("0-1", "2-3"));
  BindRequest request = pair;
  request.held = {0};
  EXPECT_THAT(Chosen(machine, request), ElementsAre("4-5", "6-7"))
      << "node 0 holds no four any more";
  request.held = {4, 5, 6};
  EXPECT_THAT(Chosen(machine, request), ElementsAre("0-1", "2-3"));
  request.held = {0, 4};
  EXPECT_THAT(Chosen(machine, request), ElementsAre("1-2", "5-6")) << "each rank whole";
  request.near = Ranks(1);
  request.held = {0, 4, 5};
  EXPECT_THAT(Chosen(machine, request), ElementsAre("6-7")) << "the fullest that holds it";
  request.held = {0, 1, 2, 4, 5, 6};
  EXPECT_THAT(Chosen(machine, request), ElementsAre("3,7")) << "what is left";
  request.held.insert(3);
  EXPECT_THAT(Chosen(machine, request), IsEmpty());
}

TEST(ChooseCpus, ARankGoesWhereItsGpuIs) {
  const Topology machine = Machine(2, 4);
  BindRequest request{.how = Bind::kCore, .slots = 8, .cpus_per_rank = 1, .near = {1}, .held = {}};
  EXPECT_THAT(Chosen(machine, request), ElementsAre("4"));
  request.near = {1, 0, 1};
  EXPECT_THAT(Chosen(machine, request), ElementsAre("4", "0", "5"));
  request.near = {1, 1};
  request.held = {4, 5, 6};
  EXPECT_THAT(Chosen(machine, request), ElementsAre("0", "1")) << "together rather than near";
}

TEST(ChooseCpus, Numa_HoldsCoresAndMayUseTheirNode) {
  BindRequest request{
      .how = Bind::kNuma, .slots = 8, .cpus_per_rank = 2, .near = Ranks(2), .held = {}};
  EXPECT_THAT(Chosen(Machine(2, 4), request), ElementsAre("0-1 in 0-3", "2-3 in 0-3"));
  request.how = Bind::kAuto;
  EXPECT_THAT(Chosen(Machine(2, 4), request), ElementsAre("0-1 in 0-3", "2-3 in 0-3"));
  EXPECT_THAT(Chosen(Machine(1, 8), request), IsEmpty()) << "one node: nothing to be near to";
  request.how = Bind::kNone;
  EXPECT_THAT(Chosen(Machine(2, 4), request), IsEmpty());
}

TEST(ChooseCpus, ASlotIsACoreWhereThereAreAsMany_ElseAThread) {
  const Topology machine = Machine(1, 4, 2);  // cores 0 and 4, 1 and 5, 2 and 6, 3 and 7
  BindRequest request{
      .how = Bind::kCore, .slots = 4, .cpus_per_rank = 1, .near = Ranks(2), .held = {}};
  EXPECT_THAT(Chosen(machine, request), ElementsAre("0,4", "1,5"));
  request.slots = 8;
  request.cpus_per_rank = 2;
  EXPECT_THAT(Chosen(machine, request), ElementsAre("0,4", "1,5")) << "whole cores all the same";
  request.held = {0};
  EXPECT_THAT(Chosen(machine, request), ElementsAre("1,5", "2,6"));
  request.near = Ranks(1);
  request.cpus_per_rank = 1;
  EXPECT_THAT(Chosen(machine, request), ElementsAre("4")) << "beside a thread that is held";
  request.slots = 9;
  EXPECT_THAT(Chosen(machine, request), IsEmpty()) << "more slots than CPUs";
}

TEST(ChooseCpus, WhateverTheOrder_NobodyOverlapsAndAllSlotsAreUsed) {
  const Topology machine = Machine(2, 3, 2);
  for (const int first : {1, 2, 3, 4}) {
    BindRequest request{
        .how = Bind::kCore, .slots = 12, .cpus_per_rank = first, .near = Ranks(2), .held = {}};
    std::size_t held = 0;
    while (true) {
      const auto ranks = ChooseCpus(machine, request);
      if (ranks.empty() && request.cpus_per_rank == 1 && request.near.size() == 1) break;
      if (ranks.empty() && request.near.size() == 2)
        request.near = Ranks(1);
      else if (ranks.empty())
        request.cpus_per_rank = 1;
      for (const RankCpus& rank : ranks) {
        held += rank.held.size();
        request.held.insert(rank.held.begin(), rank.held.end());
        ASSERT_EQ(request.held.size(), held);
      }
    }
    EXPECT_EQ(held, 12U);
  }
}

TEST(Bind, IsOneOfFourWords) {
  EXPECT_EQ(*BindFromText(""), Bind::kAuto);
  EXPECT_EQ(*BindFromText("core"), Bind::kCore);
  EXPECT_EQ(BindFromText("socket").error().message,
            "wanted one of auto, none, numa, core, got 'socket'");
}

TEST(CpuList, IsReadAsItIsWritten) {
  for (const char* text : {"", "0", "0-3", "0-1,3,5-7", "1023"})
    EXPECT_EQ(CpuListText(CpuListFromText(text)), text);
  EXPECT_EQ(CpuListText(CpuListFromText("3,0-1,2")), "0-3");
  for (const char* text : {"x", "1-", "3-1", "1,,2", "1,", "0-1024", "-1"})
    EXPECT_THAT(CpuListFromText(text), IsEmpty()) << text;
}

TEST(ReadTopology, OfMachinesThatAreNotHere_AsHwlocDescribesThem) {
  const auto machine = local::ReadTopology("numa:2 core:4 pu:2");
  ASSERT_TRUE(machine.ok()) << machine.error().message;
  ASSERT_EQ(machine->cores.size(), 8U);
  for (std::size_t core = 0; core < 8; ++core) {
    EXPECT_EQ(machine->cores[core].numa, core < 4 ? 0 : 1);
    EXPECT_THAT(machine->cores[core].cpus, ElementsAre(2 * core, 2 * core + 1));
  }
  BindRequest request{
      .how = Bind::kNuma, .slots = 16, .cpus_per_rank = 8, .near = Ranks(2), .held = {}};
  EXPECT_THAT(Chosen(*machine, request), ElementsAre("0-7", "8-15"));
  EXPECT_FALSE(local::ReadTopology("machine:x").ok());
}

TEST(ReadTopology, OfThisMachine_HasCores) {
  const auto machine = local::ReadTopology();
  ASSERT_TRUE(machine.ok()) << machine.error().message;
  EXPECT_FALSE(machine->cores.empty());
}

}  // namespace
}  // namespace muster::cluster
