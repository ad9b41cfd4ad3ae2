#include "runtime/server/checkpoint_routes.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <map>

#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

namespace fs = std::filesystem;
using Texts = std::map<std::string, std::string>;  ///< by path
using testing::HasSubstr;

class CheckpointRoutesTest : public testing::Test {
 protected:
  CheckpointRoutesTest() { Start(); }
  ~CheckpointRoutesTest() override { fs::remove_all(root_); }

  void Start() {
    router_ = http::Router();
    AddCheckpointRoutes(
        router_,
        MakeCheckpoints({root_, [this](const std::string& token) -> Result<CheckpointOwner> {
                           if (fence_at_ == 1) live_[token] = "";
                           fence_at_ = std::max(0, fence_at_ - 1);
                           const auto found = live_.find(token);
                           if (found == live_.end()) return Unauthorized("no such token");
                           if (found->second.empty()) return Fenced("attempt 1 is over");
                           return CheckpointOwner{TrialId(found->second), AttemptEpoch(7)};
                         }}));
  }
  http::Response Ask(const std::string& method, const std::string& target, std::string body = {},
                     const std::string& token = "a") {
    http::Request request;
    request.method = method;
    request.body = std::move(body);
    if (!token.empty()) request.headers["Authorization"] = "Bearer " + token;
    http::SetTarget(request, "/api/muster/v1/" + target);
    return Dispatch(std::move(request));
  }
  http::Response Dispatch(http::Request request) {
    std::promise<http::Response> answer;
    router_.Dispatch(std::move(request), [&](http::Response r) { answer.set_value(std::move(r)); });
    return answer.get_future().get();
  }
  http::Response Put(const std::string& text) {
    return Ask("PUT", "checkpoint-objects/" + Sha256Hex(text), text);
  }
  static std::string ListOf(const Texts& texts) {
    boost::json::array files;
    for (const auto& [path, text] : texts)
      files.push_back({{"path", path}, {"bytes", text.size()}, {"sha256", Sha256Hex(text)}});
    return wire::SerializeJson(boost::json::object{{"files", files}});
  }
  /// As a rank saves: what is new, then the list.
  http::Response Save(const Texts& texts) {
    for (const auto& [path, text] : texts) {
      if (Ask("GET", "checkpoint-objects/" + Sha256Hex(text)).status != 200) Put(text);
    }
    return Ask("POST", "checkpoints", ListOf(texts));
  }
  [[nodiscard]] std::string Text(const std::string& path) const {
    const auto text = ReadWholeFile(root_ / path);
    return text.ok() ? *text : "";
  }

  const fs::path root_ = "/tmp/muster_checkpoint_routes_" + RandomHex(4);
  std::map<std::string, std::string> live_{{"a", "s/0"}, {"b", "s/1"}, {"c", "t/0"}, {"old", ""}};
  int fence_at_ = 0;  ///< the attempt is over from this question for its token on
  http::Router router_;
};

TEST_F(CheckpointRoutesTest, ASave_IsThereForTheNextAttempt) {
  const Texts saved{{"manifest.json", "1"}, {"step-1", "one"}};
  EXPECT_EQ(Save(saved).body, R"({"files":2})");
  EXPECT_EQ(Text("s/0/step-1"), "one");
  EXPECT_EQ(Ask("GET", "checkpoints/s/0").body, ListOf(saved));
  const http::Response file = Ask("GET", "checkpoint-files/s/0/manifest.json");
  EXPECT_EQ(file.body_file, root_ / "s/0/manifest.json");
  // The next one sends what is new, and says nothing of what is to go.
  Put("2");
  Put("two");
  const Texts next{{"best", "one"}, {"manifest.json", "2"}, {"step-2", "two"}};
  ASSERT_EQ(Ask("POST", "checkpoints", ListOf(next)).status, 200);
  EXPECT_EQ(Ask("GET", "checkpoints/s/0").body, ListOf(next));
  EXPECT_FALSE(fs::exists(root_ / "s/0/step-1"));
  EXPECT_FALSE(fs::exists(root_ / ".incoming/s/0"));
  EXPECT_EQ(Ask("POST", "checkpoints", ListOf(next)).status, 200) << "said again";
}

TEST_F(CheckpointRoutesTest, AnUploadThatBrokeOff_LeavesWhatIsCommitted_AndGoesOn) {
  ASSERT_EQ(Save({{"step-1", "one"}}).status, 200);
  Put("2");
  const auto missing = Ask("POST", "checkpoints", ListOf({{"manifest", "2"}, {"step-2", "two"}}));
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(missing.body, HasSubstr("step-2"));
  EXPECT_EQ(Text("s/0/step-1"), "one");
  EXPECT_EQ(Ask("GET", "checkpoint-objects/" + Sha256Hex("2")).status, 200);
  EXPECT_EQ(Ask("GET", "checkpoint-objects/" + Sha256Hex("two")).status, 404);
  // The server starts again: what was on its way is gone, what was committed is not.
  Start();
  EXPECT_EQ(Ask("GET", "checkpoint-objects/" + Sha256Hex("2")).status, 404);
  EXPECT_EQ(Text("s/0/step-1"), "one");
}

TEST_F(CheckpointRoutesTest, AnAttemptThatIsOver_ChangesNothing_AlsoInTheMiddleOfItsCommit) {
  ASSERT_EQ(Save({{"step-1", "one"}}).status, 200);
  for (int at = 1;; ++at) {
    live_["a"] = "s/0";
    Put("two");
    fence_at_ = at;
    const int status = Ask("POST", "checkpoints", ListOf({{"step-2", "two"}})).status;
    if (fence_at_ > 0) {  // it was asked less often than that
      EXPECT_EQ(status, 200);
      EXPECT_GT(at, 3);
      break;
    }
    EXPECT_EQ(status, 403) << at;
    EXPECT_EQ(Text("s/0/step-1"), "one") << at;
    EXPECT_FALSE(fs::exists(root_ / "s/0/step-2")) << at;
  }
  EXPECT_EQ(Text("s/0/step-2"), "two");
}

TEST_F(CheckpointRoutesTest, ACopyForClones_IsOfWhatWasSaved) {
  ASSERT_EQ(Put("one").status, 200);
  std::string list = ListOf({{"w", "one"}});
  list.insert(1, R"("keep":12,)");
  EXPECT_EQ(Ask("POST", "checkpoints", list).body, R"({"files":1,"kept":true})");
  ASSERT_EQ(Save({{"w", "two"}}).status, 200);
  EXPECT_EQ(Text("s/0.at/12.a-7/w"), "one");
  ASSERT_TRUE(WriteFileAtomically(root_ / "s/1.at", "").ok());  // where its copies would go
  EXPECT_EQ(Ask("POST", "checkpoints", R"({"files":[],"keep":12})", "b").body,
            R"({"files":0,"kept":false})");
}

TEST_F(CheckpointRoutesTest, TheStoresMark_Stays) {
  const auto mark = MarkCheckpointStore(root_);
  ASSERT_TRUE(mark.ok()) << mark.error().message;
  EXPECT_EQ(mark->size(), 32);
  EXPECT_EQ(Text(".store"), *mark);
  EXPECT_EQ(*MarkCheckpointStore(root_), *mark);
}

TEST_F(CheckpointRoutesTest, BytesOfAnotherName_AreRefused) {
  const auto refused = Ask("PUT", "checkpoint-objects/" + Sha256Hex("x"), "y");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("wanted " + Sha256Hex("x")));
  EXPECT_EQ(Ask("GET", "checkpoint-objects/" + Sha256Hex("x")).status, 404);
  EXPECT_EQ(Ask("PUT", "checkpoint-objects/short", "y").status, 400);
}

TEST_F(CheckpointRoutesTest, ASpooledUpload_IsTakenWithTheHashThatTheServerSaw) {
  fs::create_directories(root_);
  std::ofstream(root_ / "upload-1") << "large";
  http::Request request;
  request.method = "PUT";
  request.headers["Authorization"] = "Bearer a";
  request.body_file = root_ / "upload-1";
  request.body_sha256 = Sha256Hex("large");
  http::SetTarget(request, "/api/muster/v1/checkpoint-objects/" + Sha256Hex("large"));
  EXPECT_EQ(Dispatch(std::move(request)).status, 200);
  EXPECT_FALSE(fs::exists(root_ / "upload-1"));
  EXPECT_EQ(Ask("POST", "checkpoints", ListOf({{"w", "large"}})).status, 200);
  EXPECT_EQ(Text("s/0/w"), "large");
}

TEST_F(CheckpointRoutesTest, Tokens_LeadToTheirOwnTrialAndSweep) {
  ASSERT_EQ(Save({{"w", "zero"}}).status, 200);
  fs::create_directories(root_ / "s/2.at/4.a-5");
  std::ofstream(root_ / "s/2.at/4.a-5/w") << "donor";
  std::ofstream(root_ / "secret") << "s";
  fs::create_symlink(root_ / "secret", root_ / "s/0/link");
  const struct {
    const char *method, *target, *token;
    int status;
  } kCases[] = {
      {"GET", "checkpoints/s/0", "", 401},
      {"GET", "checkpoints/s/0", "nobody", 401},
      {"GET", "checkpoints/s/0", "old", 403},
      {"POST", "checkpoints", "old", 403},
      {"GET", "checkpoint-files/s/0/w", "b", 200},  // of its sweep
      {"GET", "checkpoint-files/s/2.at/4.a-5/w", "b", 200},
      {"GET", "checkpoint-files/s/0/w", "c", 403},
      {"GET", "checkpoint-files/s/0/nothing", "a", 404},
      {"GET", "checkpoint-files/s/0/link", "a", 404},
      {"GET", "checkpoint-files/s/../secret", "a", 400},
      {"GET", "checkpoint-files/s/%2e%2e/secret", "a", 400},
      {"GET", "checkpoints/s/9", "a", 200},  // nothing yet
  };
  for (const auto& asked : kCases) {
    EXPECT_EQ(Ask(asked.method, asked.target, "", asked.token).status, asked.status)
        << asked.method << " " << asked.target << " by " << asked.token;
  }
  EXPECT_EQ(
      Ask("POST", "checkpoints",
          R"({"files":[{"path":"../1/w","bytes":0,"sha256":")" + std::string(64, '0') + R"("}]})")
          .status,
      400);
  EXPECT_EQ(Ask("POST", "checkpoints", R"({"file":[]})").status, 400);
}

}  // namespace
}  // namespace muster::server
