#include "runtime/server/checkpoint_client.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <mutex>

#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "runtime/base/sha256.h"
#include "runtime/http/server.h"
#include "runtime/server/checkpoint_routes.h"

namespace muster::server {
namespace {

namespace fs = std::filesystem;
using Texts = std::map<std::string, std::string>;  ///< by path
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A node and a server, each with its own folder, and HTTP between them.
class CheckpointClientTest : public testing::Test {
 protected:
  CheckpointClientTest() { Start(); }
  ~CheckpointClientTest() override {
    server_.reset();
    fs::remove_all(root_);
  }

  void Start(std::uint16_t port = 0) {
    server_.reset();
    router_ = http::Router();
    AddCheckpointRoutes(
        router_,
        MakeCheckpoints({root_ / "server", [this](const std::string& token) {
                           if (token == "live")
                             return Owner(CheckpointOwner{TrialId("s/0"), AttemptEpoch(7)});
                           return Owner(Fenced("attempt 6 is over"));
                         }}));
    http::ServerOptions options;
    options.port = port;
    options.spool_dir = root_ / "spool";
    options.admit = [this](const http::Request& request) -> std::optional<http::Response> {
      const std::lock_guard guard(mutex_);
      const std::string asked =
          request.method + " " + request.path.substr(request.path.rfind("/v1/") + 4);
      if (request.method == "PUT")
        puts_.push_back(request.path.substr(request.path.rfind('/') + 1));
      if (!refuse_.empty() && asked.starts_with(refuse_)) {
        refuse_.clear();
        return http::ErrorResponse(refusal_);
      }
      return std::nullopt;
    };
    auto started = http::Server::Start(options, router_);
    ASSERT_TRUE(started.ok()) << started.error().message;
    server_ = std::move(started).value();
  }
  using Owner = Result<CheckpointOwner>;

  [[nodiscard]] CheckpointClient Client(const std::string& token = "live") const {
    return CheckpointClient({.url = server_->url(),
                             .token = token,
                             .trial = TrialId("s/0"),
                             .patience = std::chrono::seconds(5)});
  }
  void Write(const Texts& texts) const {
    fs::remove_all(node_);
    for (const auto& [path, text] : texts) {
      fs::create_directories((node_ / path).parent_path());
      std::ofstream(node_ / path) << text;
    }
  }
  static Texts Read(const fs::path& folder) {
    Texts texts;
    if (!fs::exists(folder)) return texts;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file())
        texts[entry.path().lexically_relative(folder)] = ReadWholeFile(entry.path()).value();
    }
    return texts;
  }
  [[nodiscard]] Texts OfServer() const { return Read(root_ / "server/s/0"); }
  Status Push(const std::string& token = "live") {
    const auto pushed = Client(token).Push(node_, std::nullopt, nullptr);
    return pushed.ok() ? Ok() : Status(pushed.error());
  }
  Status Pull(const fs::path& folder, const std::string& start = "") {
    return Client().Pull(folder, arriving_, start, nullptr);
  }
  std::vector<std::string> Puts() {
    const std::lock_guard guard(mutex_);
    return std::exchange(puts_, {});
  }
  /// The first request that begins so is answered with it.
  void Refuse(const std::string& request, Error refusal) {
    const std::lock_guard guard(mutex_);
    refuse_ = request;
    refusal_ = std::move(refusal);
  }

  const fs::path root_ = "/tmp/muster_checkpoint_client_" + RandomHex(4);
  const fs::path node_ = root_ / "node", other_ = root_ / "other", arriving_ = root_ / "arriving";
  std::mutex mutex_;
  std::vector<std::string> puts_;
  std::string refuse_;
  Error refusal_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
};

/// `root` has server/ and node/ of 3 MB each. 0, or the number of the step that went otherwise than wanted.
int FillDisks(const fs::path& root) {
  const std::string small(500'000, 's'), large(2'000'000, 'l');
  http::Router router;
  AddCheckpointRoutes(router, MakeCheckpoints({root / "server", [](const std::string&) {
                                                 return Result<CheckpointOwner>(CheckpointOwner{
                                                     TrialId("s/0"), AttemptEpoch(7)});
                                               }}));
  http::ServerOptions options;
  options.spool_dir = root / "server/.incoming/.uploads";
  const auto server = http::Server::Start(options, router);
  if (!server.ok()) return 1;
  CheckpointClient client({.url = (*server)->url(), .token = "t", .trial = TrialId("s/0")});
  const auto write = [&](const std::string& text) {
    fs::create_directories(root / "saved");
    std::ofstream(root / "saved/w") << text;
  };
  const auto push = [&] { return client.Push(root / "saved", std::nullopt, nullptr); };
  const auto server_has = [&](const std::string& text) {
    return ReadWholeFile(root / "server/s/0/w").value() == text;
  };
  write(large);
  if (!push().ok()) return 2;
  write(large + small);  // both are not there at once
  const auto full = push();
  if (full.ok() || full.error().kind != ErrorKind::kResource || !server_has(large)) return 3;
  write(small);
  if (!push().ok() || !server_has(small)) return 4;
  const auto pull = [&] {
    return client.Pull(root / "node/c", root / "node/arriving", "", nullptr);
  };
  if (!pull().ok()) return 5;
  write(large);
  if (!push().ok()) return 6;
  std::ofstream(root / "node/else") << large;  // somebody else's
  const Status no_room = pull();
  if (no_room.ok() || no_room.error().kind != ErrorKind::kResource) return 7;
  if (ReadWholeFile(root / "node/c/w").value() != small) return 8;
  fs::remove(root / "node/else");
  if (!pull().ok() || ReadWholeFile(root / "node/c/w").value() != large) return 9;
  return 0;
}

TEST_F(CheckpointClientTest, WhatOneNodePushed_AnotherPulls) {
  // Beyond what travels at once, and what a server keeps in memory.
  const Texts saved{{"manifest.json", "1"}, {"deep/w ä%.bin", RandomHex(9 << 19)}, {"empty", ""}};
  Write(saved);
  ASSERT_TRUE(Push().ok());
  EXPECT_EQ(OfServer(), saved);
  ASSERT_TRUE(Pull(other_).ok());
  EXPECT_EQ(Read(other_), saved);
  EXPECT_THAT(Read(arriving_), IsEmpty());
  EXPECT_TRUE(Pull(other_).ok()) << "nothing is new";
  EXPECT_TRUE(Pull(root_ / "third/c").ok()) << "made with all above it";
}

TEST_F(CheckpointClientTest, OnlyNewBytesAreSent) {
  Write({{"manifest", "1"}, {"step-1", "one"}, {"best", "one"}});
  ASSERT_TRUE(Push().ok());
  EXPECT_EQ(Puts().size(), 2);
  Write({{"manifest", "2"}, {"step-2", "two"}, {"best", "one"}});
  ASSERT_TRUE(Push().ok());
  EXPECT_THAT(Puts(), ElementsAre(Sha256Hex("2"), Sha256Hex("two")));
  EXPECT_EQ(OfServer(), Read(node_));
  ASSERT_TRUE(Push().ok());
  EXPECT_THAT(Puts(), IsEmpty());
  Write({});
  ASSERT_TRUE(Push().ok());
  EXPECT_THAT(OfServer(), IsEmpty());
}

TEST_F(CheckpointClientTest, AttemptThatIsOver_ChangesNothing) {
  Write({{"w", "new"}});
  ASSERT_TRUE(Push().ok());
  const Texts before = OfServer();
  Write({{"w", "late"}});
  EXPECT_EQ(Push("old").error().kind, ErrorKind::kFenced);
  // ... also when it is over only once all files are there.
  Refuse("POST checkpoints", Fenced("attempt 7 is over"));
  EXPECT_EQ(Push().error().kind, ErrorKind::kFenced);
  EXPECT_EQ(OfServer(), before);
}

TEST_F(CheckpointClientTest, AFullDiskThere_IsSaid_AndTheOldCheckpointStays) {
  Write({{"w", "old"}});
  ASSERT_TRUE(Push().ok());
  Write({{"w", "new"}});
  for (const std::string request : {"PUT checkpoint-objects", "POST checkpoints"}) {
    Refuse(request, {ErrorKind::kResource, "no space left on device"});
    const Status pushed = Push();
    ASSERT_FALSE(pushed.ok());
    EXPECT_EQ(pushed.error().kind, ErrorKind::kResource);
    EXPECT_THAT(pushed.error().message, HasSubstr("no space left"));
    EXPECT_EQ(OfServer(), (Texts{{"w", "old"}}));
  }
  EXPECT_TRUE(Push().ok());
  EXPECT_EQ(OfServer(), (Texts{{"w", "new"}}));
}

/// In mounts of its own. Skipped where that is not allowed.
TEST(CheckpointClientDisks, AFullDiskOnEitherSide_LeavesWhatWasThere) {
  const fs::path root = "/tmp/muster_checkpoint_disks_" + RandomHex(4);
  fs::create_directories(root / "server");
  fs::create_directories(root / "node");
  const pid_t child = fork();
  if (child == 0) {
    const auto mounted = [](const fs::path& folder) {
      return mount("none", folder.c_str(), "tmpfs", 0, "size=3m") == 0;
    };
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        !mounted(root / "server") || !mounted(root / "node"))
      _exit(77);
    _exit(FillDisks(root));
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  fs::remove_all(root);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mounts of its own";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the number of the step that went wrong";
}

TEST_F(CheckpointClientTest, AServerThatIsAwayForAWhile_IsWaitedFor) {
  Write({{"w", "one"}});
  Refuse("PUT checkpoint-objects", Unavailable("the server is starting"));
  EXPECT_TRUE(Push().ok());
  Refuse("GET checkpoint-files", Unavailable("the server is starting"));
  EXPECT_TRUE(Pull(other_).ok());
  EXPECT_EQ(Read(other_), Read(node_));
}

TEST_F(CheckpointClientTest, BytesThatANewServerHasLost_AreSentAgain) {
  Write({{"v", "one"}, {"w", "two"}});
  // The first of two files is there when the server ends, and gone when the next one begins.
  Refuse("POST checkpoints", {ErrorKind::kIo, "killed"});
  EXPECT_EQ(Push().error().kind, ErrorKind::kIo);
  EXPECT_EQ(Puts().size(), 2);
  EXPECT_TRUE(fs::exists(root_ / "server/.incoming/s/0" / Sha256Hex("one")));
  EXPECT_TRUE(Push().ok());
  EXPECT_THAT(Puts(), IsEmpty()) << "kept from the push before";
  Write({{"v", "three"}});
  Refuse("POST checkpoints", NotFound("v: its bytes are not there"));
  EXPECT_TRUE(Push().ok());
  EXPECT_EQ(OfServer(), (Texts{{"v", "three"}}));
}

TEST_F(CheckpointClientTest, APullThatWasKilled_GoesOnWhereItWas) {
  const std::string large = RandomHex(9 << 19);
  Write({{"large", large}, {"small", "s"}});
  ASSERT_TRUE(Push().ok());
  fs::create_directories(arriving_);
  std::ofstream(arriving_ / (Sha256Hex(large) + ".part")) << large.substr(0, 1000);
  std::int64_t last = 0, of = 0;
  ASSERT_TRUE(Client()
                  .Pull(other_, arriving_, "",
                        [&](std::int64_t bytes, std::int64_t all) { last = bytes, of = all; })
                  .ok());
  EXPECT_EQ(Read(other_), Read(node_));
  EXPECT_EQ(last, static_cast<std::int64_t>(large.size()) + 1);
  EXPECT_EQ(of, last);
}

TEST_F(CheckpointClientTest, BytesThatCameWrong_AreRefused_AndFetchedAnew) {
  Write({{"w", "right bytes"}});
  ASSERT_TRUE(Push().ok());
  fs::create_directories(arriving_);
  std::ofstream(arriving_ / (Sha256Hex("right bytes") + ".part")) << "wrong";
  const Status pulled = Pull(other_);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(Read(other_), IsEmpty());
  EXPECT_TRUE(Pull(other_).ok());
  EXPECT_EQ(Read(other_), Read(node_));
}

TEST_F(CheckpointClientTest, AClone_BeginsWithWhatItStartsFrom_UntilItHasItsOwn) {
  fs::create_directories(root_ / "server/s/4.at/12.a-3");
  std::ofstream(root_ / "server/s/4.at/12.a-3/w") << "donor";
  ASSERT_TRUE(Pull(other_, "s/4.at/12.a-3").ok());
  EXPECT_EQ(Read(other_), (Texts{{"w", "donor"}}));
  Write({{"w", "own"}});
  const auto pushed = Client().Push(node_, 5, nullptr);
  ASSERT_TRUE(pushed.ok()) << pushed.error().message;
  EXPECT_TRUE(*pushed);
  EXPECT_EQ(Read(root_ / "server/s/0.at/5.a-7"), (Texts{{"w", "own"}}));
  ASSERT_TRUE(Pull(other_, "s/4.at/12.a-3").ok());
  EXPECT_EQ(Read(other_), (Texts{{"w", "own"}}));
}

}  // namespace
}  // namespace muster::server
