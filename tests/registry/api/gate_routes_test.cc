#include "registry/api/gate_routes.h"

#include <gmock/gmock.h>

#include "registry/memory_model_store.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

using testing::HasSubstr;

/// "parity" is a good file.
Result<std::vector<wire::GateSpec>> Parse(std::string_view text, std::string_view file) {
  if (text == "parity") return std::vector<wire::GateSpec>{{.parity = true}};
  return Invalid(std::string(file) + ":1:1: no gates");
}

class GateRoutes : public testing::Test {
 protected:
  GateRoutes() { AddGateRoutes(router_, store_, Parse); }

  http::Response Call(std::string method, std::string body = "") {
    http::Request request;
    request.method = std::move(method);
    http::SetTarget(request, "/api/muster/v1/models/digits/gates");
    request.body = std::move(body);
    http::Response answer;
    router_.Dispatch(std::move(request), [&](http::Response response) { answer = response; });
    return answer;
  }

  FakeClock clock_;
  MemoryModelStore store_{clock_};
  http::Router router_;
};

TEST_F(GateRoutes, SetShowAndTakeAway) {
  EXPECT_EQ(Call("GET").status, 404);
  const auto set = Call("POST", R"({"text":"parity","reason":"r","actor":"ada"})");
  ASSERT_EQ(set.status, 200) << set.body;
  EXPECT_EQ(Call("GET").body, set.body);
  const auto json = wire::ParseJson(set.body).value();
  EXPECT_EQ(json.at("text").as_string(), "parity");
  EXPECT_EQ(json.at("gates").at(0).at("name").as_string(), "parity");
  EXPECT_EQ(json.at("actor").as_string(), "ada");
  const auto gone = wire::ParseJson(Call("POST", R"({"text":""})").body).value();
  EXPECT_EQ(gone.at("text").as_string(), "");
  EXPECT_TRUE(gone.at("gates").as_array().empty());
  EXPECT_EQ(gone.at("history").as_array().size(), 2U);
}

TEST_F(GateRoutes, AWrongFile_ChangesNothing) {
  const auto refused = Call("POST", R"({"text":"partiy","file":"mine.yaml"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("mine.yaml:1:1: no gates"));
  EXPECT_EQ(Call("POST", R"({"txt":"parity"})").status, 400);
  EXPECT_EQ(Call("GET").status, 404) << "not even the model";
}

}  // namespace
}  // namespace muster::registry
