#include "runtime/coordinator/placement.h"

#include <gmock/gmock.h>

namespace muster::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Node MakeNode(const std::string& id, int slots, int gpus = 0, std::int64_t gpu_memory = 0) {
  Node node;
  node.id = NodeId(id);
  node.slots = slots;
  node.devices.assign(static_cast<std::size_t>(gpus), Device{.memory_bytes = gpu_memory});
  return node;
}

/// "a:2 b:1", and nothing when the gang has no place.
std::string PlaceText(std::vector<Node>& nodes, const GangShape& shape) {
  std::vector<Room> rooms;
  for (const Node& node : nodes) rooms.push_back({&node});
  std::string text;
  for (const Part& part : FindPlace(rooms, shape)) {
    text +=
        (text.empty() ? "" : " ") + part.room->node->id.value + ":" + std::to_string(part.ranks);
  }
  return text;
}

TEST(PlacementTest, OneNode_TheFullestThatHoldsTheGang) {
  std::vector<Node> nodes{MakeNode("a", 8), MakeNode("b", 4), MakeNode("c", 2)};
  EXPECT_EQ(PlaceText(nodes, {.ranks = 2}), "c:2");
  EXPECT_EQ(PlaceText(nodes, {.ranks = 2, .cpus = 2}), "b:2");
  EXPECT_EQ(PlaceText(nodes, {.ranks = 9}), "");
}

TEST(PlacementTest, ManyNodes_TheFewestAndNoMoreThanAllowed) {
  std::vector<Node> nodes{MakeNode("a", 2), MakeNode("b", 4), MakeNode("c", 3)};
  EXPECT_EQ(PlaceText(nodes, {.ranks = 6, .most_nodes = 2}), "b:4 c:2");
  EXPECT_EQ(PlaceText(nodes, {.ranks = 9, .most_nodes = 0}), "b:4 c:3 a:2");
  EXPECT_EQ(PlaceText(nodes, {.ranks = 9, .most_nodes = 2}), "");
  EXPECT_EQ(PlaceText(nodes, {.ranks = 4, .most_nodes = 0}), "b:4");
}

TEST(PlacementTest, MpiOverNodes_OnlyWhereItsDaemonsCanBeStarted) {
  std::vector<Node> nodes{MakeNode("a", 2), MakeNode("b", 4), MakeNode("c", 3)};
  const auto gang = [](int ranks) {
    return GangShape{.ranks = ranks, .most_nodes = 0, .mpi = true};
  };
  EXPECT_EQ(PlaceText(nodes, gang(5)), "");
  EXPECT_EQ(PlaceText(nodes, gang(4)), "b:4") << "alone it starts what it always did";
  nodes[0].remote_start = nodes[2].remote_start = true;
  EXPECT_EQ(PlaceText(nodes, gang(5)), "c:3 a:2");
  EXPECT_EQ(PlaceText(nodes, gang(6)), "");
}

TEST(PlacementTest, Labels_AreAskedFor) {
  std::vector<Node> nodes{MakeNode("a", 2), MakeNode("b", 4)};
  nodes[1].labels["zone"] = "north";
  EXPECT_EQ(PlaceText(nodes, {.labels = {{"zone", "north"}}}), "b:1");
  EXPECT_EQ(PlaceText(nodes, {.labels = {{"zone", "south"}}}), "");
  EXPECT_EQ(PlaceText(nodes, {.labels = {{"muster.node", "b"}}}), "b:1") << "each has its own name";
}

TEST(PlacementTest, NamedAmounts_AreCountedAndUnknownMemoryIsNot) {
  std::vector<Node> nodes{MakeNode("a", 4)};
  const GangShape licence{.ranks = 2, .amounts = {{"licence", 1}}};
  EXPECT_EQ(PlaceText(nodes, licence), "");
  nodes[0].resources["licence"] = 3;
  EXPECT_EQ(PlaceText(nodes, licence), "a:2");
  Hold(nodes[0], PlaceOn(nodes[0], licence, 0, 2), licence, AttemptEpoch(1));
  EXPECT_EQ(PlaceText(nodes, licence), "");

  const GangShape memory{.amounts = {{"memory", 100}}};
  EXPECT_EQ(PlaceText(nodes, memory), "a:1") << "the node does not say how much it has";
  nodes[0].resources["memory"] = 99;
  EXPECT_EQ(PlaceText(nodes, memory), "");
}

TEST(PlacementTest, NodesWithGpus_AreLeftToThoseWhoWantThem) {
  std::vector<Node> nodes{MakeNode("gpu", 2, 1), MakeNode("cpu", 8)};
  EXPECT_EQ(PlaceText(nodes, {}), "cpu:1");
  EXPECT_EQ(PlaceText(nodes, {.gpus = 1}), "gpu:1");
}

TEST(PlacementTest, WholeDevices_BelongToOneRank) {
  Node node = MakeNode("a", 8, 4, 80);
  const GangShape two{.ranks = 1, .gpus = 2};
  const Placement first = PlaceOn(node, two, 0, 1);
  EXPECT_THAT(first.devices,
              ElementsAre(wire::DeviceShare{0, 1000, 0}, wire::DeviceShare{1, 1000, 0}));
  Hold(node, first, two, AttemptEpoch(1));
  EXPECT_EQ(RanksThatFit(node, two, Count::kFree), 1);
  EXPECT_EQ(RanksThatFit(node, two, Count::kAll), 2);
  EXPECT_EQ(RanksThatFit(node, {.gpus = 1, .gpu_memory = 81}, Count::kFree), 0);
  Release(node, first, two);
  EXPECT_EQ(node.free_devices(), 4);
  EXPECT_EQ(node.free(), 8);
}

TEST(PlacementTest, Shares_FillOneDeviceBeforeTheNext) {
  Node node = MakeNode("a", 8, 2, 80);
  const GangShape half{.gpu_milli = 500, .gpu_memory = 30};
  const GangShape small{.gpu_milli = 250, .gpu_memory = 30};
  Hold(node, PlaceOn(node, half, 0, 1), half, AttemptEpoch(1));
  const Placement second = PlaceOn(node, small, 0, 1);
  EXPECT_EQ(second.devices.front().device, 0);
  Hold(node, second, small, AttemptEpoch(2));
  // A quarter of device 0 is left, but not the memory for it.
  EXPECT_EQ(PlaceOn(node, small, 0, 1).devices.front().device, 1);
  EXPECT_EQ(RanksThatFit(node, small, Count::kFree), 2);
  EXPECT_EQ(RanksThatFit(node, {.gpus = 1}, Count::kFree), 1) << "device 1 is whole";
}

TEST(PlacementTest, Reserve_KeepsTheNodeWhereRoomComesFirst) {
  std::vector<Node> nodes{MakeNode("a", 4), MakeNode("b", 4)};
  const GangShape one;
  Hold(nodes[0], PlaceOn(nodes[0], one, 0, 1), one, AttemptEpoch(1));
  for (int epoch = 2; epoch < 4; ++epoch) {
    Hold(nodes[1], PlaceOn(nodes[1], one, 0, 1), one, AttemptEpoch(epoch));
  }
  std::vector<Room> rooms{{&nodes[0]}, {&nodes[1]}};
  Reserve(rooms, {.ranks = 4});
  EXPECT_TRUE(rooms[0].reserved);
  EXPECT_FALSE(rooms[1].reserved);
  EXPECT_THAT(FindPlace(rooms, {.ranks = 3}), IsEmpty());
}

TEST(PlacementTest, Capacity_CountsWholeGangsOfANode) {
  std::vector<Node> nodes{MakeNode("a", 3), MakeNode("b", 3)};
  const std::vector<Room> rooms{{&nodes[0]}, {&nodes[1]}};
  EXPECT_EQ(CapacityFor(rooms, {.ranks = 2}).all, 2);
  EXPECT_EQ(CapacityFor(rooms, {.ranks = 2, .most_nodes = 0}).all, 3);
}

TEST(PlacementTest, Shape_OfASpec) {
  wire::SweepSpec spec;
  spec.trial.ranks = 3;
  spec.trial.nodes = 0;
  spec.trial.resources = {
      .cpu = 2, .gpu = 0.25, .gpu_memory_bytes = 7, .memory_bytes = 9, .custom = {{"licence", 1}}};
  const GangShape shape = ShapeOf(spec);
  EXPECT_EQ(shape, (GangShape{.ranks = 3,
                              .cpus = 2,
                              .gpus = 0,
                              .gpu_milli = 250,
                              .gpu_memory = 7,
                              .amounts = {{"licence", 1}, {"memory", 9}},
                              .labels = {},
                              .most_nodes = 0}));
  EXPECT_EQ(AmountsOf(shape, 2),
            (Amounts{{"cpu", 4}, {"gpu", 500}, {"licence", 2}, {"memory", 18}}));
}

}  // namespace
}  // namespace muster::coordinator
