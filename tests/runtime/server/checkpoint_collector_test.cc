#include "runtime/server/checkpoint_collector.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <future>

namespace muster::server {
namespace {

namespace fs = std::filesystem;

class CheckpointCollectorTest : public testing::Test {
 protected:
  CheckpointCollectorTest()
      : root_(fs::temp_directory_path() / ("muster-collector-" + std::to_string(getpid()))) {
    fs::remove_all(root_);
    for (const char* folder : {"s/0", "s/0.at/3.a-1", "s/1"}) {
      fs::create_directories(root_ / folder);
      std::ofstream(root_ / folder / "weights") << "w";
    }
  }
  ~CheckpointCollectorTest() override { fs::remove_all(root_); }

  Status Drop(std::vector<std::string> folders) {
    std::promise<Status> dropped;
    CheckpointCollector collector(root_);
    collector.Drop(std::move(folders), [&](const Result<boost::json::object>& result) {
      dropped.set_value(result.ok() ? Ok() : Status(result.error()));
    });
    return dropped.get_future().get();
  }

  fs::path root_;
};

TEST_F(CheckpointCollectorTest, DeletesWholeFolders_ThoseThatAreGoneIncluded) {
  const Status status = Drop({"s/0", "s/0.at/3.a-1", "s/7"});
  EXPECT_TRUE(status.ok()) << status.error().message;
  EXPECT_FALSE(fs::exists(root_ / "s/0"));
  EXPECT_FALSE(fs::exists(root_ / "s/0.at/3.a-1"));
  EXPECT_TRUE(fs::exists(root_ / "s/1/weights"));
}

TEST_F(CheckpointCollectorTest, ANameThatLeadsElsewhere_DeletesNothing) {
  for (const char* wrong : {"", ".", "..", "s/../../x", "/tmp", "s/0/"}) {
    const Status status = Drop({"s/1", wrong});
    ASSERT_FALSE(status.ok()) << wrong;
    EXPECT_EQ(status.error().kind, ErrorKind::kInvalid) << wrong;
    EXPECT_TRUE(fs::exists(root_ / "s/1/weights")) << wrong;
  }
}

TEST_F(CheckpointCollectorTest, ListsWhatIsTwoLevelsBelow) {
  EXPECT_THAT(CheckpointCollector(root_).Folders(),
              testing::UnorderedElementsAre("s/0", "s/0.at", "s/1"));
  EXPECT_THAT(CheckpointCollector(root_ / "none").Folders(), testing::IsEmpty());
}

}  // namespace
}  // namespace muster::server
