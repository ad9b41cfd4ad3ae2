#include "cluster/local/interfaces.h"

#include <gmock/gmock.h>

namespace muster::cluster::local {
namespace {

using testing::Contains;
using testing::Field;

const std::vector<Interface> kInterfaces{
    {.name = "lo", .address = "127.0.0.1", .prefix = 8, .up = true},
    {.name = "docker0", .address = "172.17.0.1", .prefix = 16, .up = true},
    {.name = "eth0", .address = "10.1.2.3", .prefix = 8, .up = true},
    {.name = "ib0", .address = "10.9.0.3", .prefix = 16, .up = true},
    {.name = "eth1", .address = "192.168.7.3", .prefix = 24, .up = false}};

TEST(InterfaceToward, TheOneOfTheAddress_ElseTheNarrowestNetworkAroundIt) {
  struct {
    std::string address, name;
  } const table[] = {{"10.1.2.3", "eth0"},   {"10.9.0.3", "ib0"}, {"10.9.255.1", "ib0"},
                     {"10.200.0.1", "eth0"}, {"127.0.0.1", "lo"}, {"192.168.7.3", ""},
                     {"8.8.8.8", ""},        {"gpu-7", ""}};
  for (const auto& row : table) {
    const auto found = InterfaceToward(kInterfaces, row.address);
    ASSERT_EQ(found.has_value(), !row.name.empty()) << row.address;
    if (!found) continue;
    EXPECT_EQ(found->name, row.name) << row.address;
  }
}

TEST(NetworkSettings, AreByName) {
  const auto settings = NetworkSettings(kInterfaces[3]);
  EXPECT_EQ(settings.at("NCCL_SOCKET_IFNAME"), "=ib0");
  EXPECT_EQ(settings.at("GLOO_SOCKET_IFNAME"), "ib0");
  EXPECT_EQ(settings.at("TP_SOCKET_IFNAME"), "ib0");
}

TEST(ListInterfaces, HasTheLoopback) {
  const auto all = ListInterfaces();
  ASSERT_TRUE(all.ok()) << all.error().message;
  EXPECT_THAT(*all, Contains(Field(&Interface::address, "127.0.0.1")));
}

}  // namespace
}  // namespace muster::cluster::local
