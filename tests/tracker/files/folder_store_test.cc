#include "tracker/files/folder_store.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "tests/support/sync_calls.h"

namespace muster::tracker {
namespace {

namespace fs = std::filesystem;

class FolderStoreTest : public testing::Test {
 protected:
  FolderStoreTest() {
    std::string pattern = (fs::temp_directory_path() / "muster_folder_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    fs::create_directories(folder_ / "root");
    std::ofstream(folder_ / "secret") << "s";
  }
  ~FolderStoreTest() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_F(FolderStoreTest, Links_ThatLeaveTheRootAreRefused) {
  const auto store = OpenFolderArtifactStore(folder_ / "root");
  const Error outside = Invalid("Invalid path: resolved path is outside the artifact directory");
  fs::create_symlink(folder_ / "secret", folder_ / "root" / "link");
  fs::create_directory_symlink(folder_, folder_ / "root" / "up");
  EXPECT_EQ(store->Get("link").error(), outside);
  EXPECT_EQ(store->Get("up/secret").error(), outside);
  EXPECT_EQ(store->PutBytes("up/new", "x").error(), outside);
  EXPECT_EQ(store->PutBytes("link", "x").error(), outside);
  EXPECT_EQ(store->List("up").error(), outside);
  EXPECT_EQ(store->Delete("up/secret").error(), outside);
  EXPECT_TRUE(fs::exists(folder_ / "secret"));
  fs::create_symlink("inner", folder_ / "root" / "inside");
  std::ofstream(folder_ / "root" / "inner") << "i";
  EXPECT_TRUE(store->Get("inside").ok());
}

TEST_F(FolderStoreTest, Put_SurvivesAPowerLoss) {
  const test::SyncCalls calls;
  const auto store = OpenFolderArtifactStore(folder_ / "root");
  ASSERT_TRUE(store->PutBytes("run/plots/a.png", "a").ok());
  ASSERT_TRUE(store->PutBytes("run/plots/b.png", "b").ok());
  ASSERT_TRUE(store->PutBytes("run/plots/a.png", "again").ok());
  std::ofstream(folder_ / "upload") << "c";
  ASSERT_TRUE(store->Put("run/c", {.file = folder_ / "upload", .may_move = true}).ok());
  EXPECT_THAT(calls.Undurable(folder_ / "root/run"), testing::IsEmpty());
}

TEST_F(FolderStoreTest, Temporaries_AreNeitherListedNorMade) {
  const auto store = OpenFolderArtifactStore(folder_ / "root");
  std::ofstream(folder_ / "root" / ".artifact.uploading.123") << "half";
  EXPECT_TRUE(store->List("")->empty());
  EXPECT_THAT(store->PutBytes("d/.artifact.uploading.x", "x").error().message,
              testing::HasSubstr("are reserved."));
}

TEST_F(FolderStoreTest, OpenLocalRoot_OnlyBelowWhatIsAllowed) {
  const std::vector<fs::path> allowed{folder_ / "root"};
  const auto kind = [&](const std::string& uri) {
    const auto store = OpenLocalRoot(uri, allowed);
    return store ? std::optional<ErrorKind>() : store.error().kind;
  };
  EXPECT_EQ(kind("file://" + (folder_ / "root").string()), std::nullopt);
  EXPECT_EQ(kind((folder_ / "root" / "1" / "r" / "artifacts").string()), std::nullopt);
  EXPECT_EQ(kind((folder_ / "root2").string()), ErrorKind::kFenced);
  EXPECT_EQ(kind((folder_ / "root" / ".." / "x").string()), ErrorKind::kFenced);
  EXPECT_EQ(kind("/etc"), ErrorKind::kFenced);
  EXPECT_EQ(kind("relative"), ErrorKind::kFenced);
  EXPECT_EQ(kind("s3://bucket"), ErrorKind::kUnsupported);
  EXPECT_EQ(OpenLocalRoot("/etc", {}).error().kind, ErrorKind::kFenced);
  fs::create_directory_symlink(folder_, folder_ / "root" / "out");
  EXPECT_EQ(kind((folder_ / "root" / "out").string()), ErrorKind::kFenced);
}

}  // namespace
}  // namespace muster::tracker
