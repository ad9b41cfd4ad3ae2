#include "runtime/server/endpoint.h"

#include <gtest/gtest.h>

namespace muster::server {
namespace {

TEST(Endpoint, HostAndPort_AreFoundWithAndWithoutAScheme) {
  EXPECT_EQ(HostOf("tcp://10.0.0.1:7071"), "10.0.0.1");
  EXPECT_EQ(HostOf("http://head:80/a:b"), "head");
  EXPECT_EQ(HostOf("head"), "head");
  EXPECT_EQ(HostOf("http://[::1]:80"), "[::1]");
  EXPECT_EQ(HostOf("http://[::1]"), "[::1]");
  EXPECT_EQ(PortOf("tcp://10.0.0.1:7071"), 7071);
  EXPECT_EQ(PortOf("http://[::1]:80/x"), 80);
  EXPECT_EQ(PortOf("http://head"), 0);
  EXPECT_EQ(PortOf("tcp://head:99999"), 0);
}

TEST(Endpoint, WithHost_ReplacesTheHostAlone) {
  EXPECT_EQ(WithHost("tcp://0.0.0.0:7071", "head"), "tcp://head:7071");
  EXPECT_EQ(WithHost("http://0.0.0.0:80/a", "10.0.0.1"), "http://10.0.0.1:80/a");
}

TEST(Endpoint, AnyAndLoopback_AreToldApart) {
  for (const char* host : {"0.0.0.0", "*", "::"}) EXPECT_TRUE(IsAnyHost(host)) << host;
  for (const char* host : {"127.0.0.1", "127.1.2.3", "localhost", "[::1]"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
    EXPECT_FALSE(IsAnyHost(host)) << host;
  }
  EXPECT_FALSE(IsLoopback("10.0.0.1"));
}

TEST(EndpointTest, LocalAddress_IsTheOneThatLeadsThere) {
  EXPECT_EQ(LocalAddressToward("tcp://127.0.0.1:7071").value(), "127.0.0.1");
  EXPECT_EQ(LocalAddressToward("tcp://no.such.host.invalid:1").error().kind,
            ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace muster::server
