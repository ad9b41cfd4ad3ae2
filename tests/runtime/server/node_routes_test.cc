#include "runtime/server/node_routes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "runtime/base/random.h"
#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

class NodeRoutesTest : public testing::Test {
 protected:
  NodeRoutesTest() {
    std::filesystem::create_directories(folder_);
    keys_ = net::NodeKeys::Open(folder_ / "agents.json", {}, [this](const net::AllowList& list) {
              allowed_ = list;
            }).value();
    AddNodeRoutes(router_, *keys_, SystemClock(), [this] { return address_; });
  }
  ~NodeRoutesTest() override { std::filesystem::remove_all(folder_); }

  http::Response Ask(const std::string& method, const std::string& target, std::string body = {}) {
    http::Request request;
    request.method = method;
    request.body = std::move(body);
    http::SetTarget(request, "/api/muster/v1/" + target);
    std::promise<http::Response> answer;
    router_.Dispatch(std::move(request), [&](http::Response r) { answer.set_value(std::move(r)); });
    return answer.get_future().get();
  }
  http::Response Add(const std::string& verb, const std::string& key) {
    return Ask("POST", "nodes/a/" + verb, R"({"public_key":")" + key + R"("})");
  }

  const std::filesystem::path folder_ = "/tmp/muster_node_routes_" + RandomHex(4);
  const std::string first_ = net::MakeKeyPair()->public_key;
  const std::string second_ = net::MakeKeyPair()->public_key;
  net::AllowList allowed_;
  std::unique_ptr<net::NodeKeys> keys_;
  Result<WireAddress> address_ = WireAddress{"tcp://head:7071", "key", true};
  http::Router router_;
};

TEST_F(NodeRoutesTest, InviteRotateRevoke_ChangeWhoIsAllowed) {
  EXPECT_EQ(Add("rotate", first_).status, 404);
  EXPECT_EQ(Add("invite", first_).status, 200);
  EXPECT_EQ(allowed_.at(first_).node, NodeId("a"));
  EXPECT_EQ(Add("invite", second_).status, 409);
  EXPECT_EQ(Add("rotate", second_).status, 200);
  EXPECT_EQ(allowed_.size(), 2U);
  const auto listed = wire::ParseJson(Ask("GET", "node-keys").body);
  ASSERT_TRUE(listed.ok());
  EXPECT_EQ(listed->at("keys").as_array().size(), 2U);
  EXPECT_EQ(listed->at("keys").at(0).at("role"), "agent");
  const auto revoked = Ask("POST", "nodes/a/revoke");
  EXPECT_EQ(revoked.body, R"({"node":"a","keys":2})");
  EXPECT_TRUE(allowed_.empty());
  EXPECT_EQ(Ask("POST", "nodes/a/revoke").status, 404);
}

TEST_F(NodeRoutesTest, BadInput_IsRefusedWithASentence) {
  EXPECT_EQ(Add("invite", "short").status, 400);
  EXPECT_EQ(Ask("POST", "nodes/a/invite", "{}").status, 400);
  EXPECT_EQ(Ask("POST", "nodes/a/invite", R"({"secret_key":"x"})").status, 400);
  const auto refused = Ask("POST", "nodes/a%20b/invite", R"({"public_key":")" + first_ + R"("})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("node name 'a b'"), std::string::npos) << refused.body;
  EXPECT_TRUE(allowed_.empty());
}

TEST_F(NodeRoutesTest, Wire_SaysWhereAndInWhichMajors) {
  EXPECT_EQ(Ask("GET", "wire").body,
            R"({"endpoint":"tcp://head:7071","server_public_key":"key","any_host":true,)"
            R"("majors":[1,2]})");
  address_ = Unavailable("starting");
  EXPECT_EQ(Ask("GET", "wire").status, 503);
}

}  // namespace
}  // namespace muster::server
