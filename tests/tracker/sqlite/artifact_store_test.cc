#include "tracker/sqlite/artifact_store.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

namespace muster::tracker {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kSha256OfAbc =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ArtifactStoreTest : public testing::Test {
 protected:
  ArtifactStoreTest() {
    std::string pattern = (fs::temp_directory_path() / "muster_artifacts_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    store_ = OpenLocalArtifactStore(root()).value();
  }
  ~ArtifactStoreTest() override {
    store_.reset();
    fs::remove_all(folder_);
  }
  [[nodiscard]] fs::path root() const { return folder_ / "artifacts"; }
  std::vector<std::string> List(std::string_view folder) {
    std::vector<std::string> names;
    const auto list = store_->List(folder);
    if (!list) return {list.error().message};
    for (const ArtifactInfo& info : *list) names.push_back(info.path + (info.is_dir ? "/" : ""));
    return names;
  }
  std::size_t CountObjects() {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root() / "objects")) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }

  fs::path folder_;
  std::unique_ptr<ArtifactStore> store_;
};

TEST_F(ArtifactStoreTest, PutBytes_AnswersTheHashAndGetTheContent) {
  EXPECT_EQ(store_->PutBytes("0/r/artifacts/a.txt", "abc").value(), kSha256OfAbc);
  const auto path = store_->Get("0/r/artifacts/a.txt");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(ReadAll(*path), "abc");
}

TEST_F(ArtifactStoreTest, Put_SameContentIsStoredOnceAndReplacesWhatAPathNamed) {
  ASSERT_TRUE(store_->PutBytes("a", "abc").ok());
  ASSERT_TRUE(store_->PutBytes("b", "abc").ok());
  EXPECT_EQ(CountObjects(), 1u);
  ASSERT_TRUE(store_->PutBytes("b", "other").ok());
  EXPECT_EQ(ReadAll(*store_->Get("a")), "abc");
  EXPECT_EQ(ReadAll(*store_->Get("b")), "other");
}

TEST_F(ArtifactStoreTest, PutFile_CopiesOrMoves) {
  const fs::path file = folder_ / "upload";
  std::ofstream(file) << "abc";
  EXPECT_EQ(store_->PutFile("copied", file, false).value(), kSha256OfAbc);
  EXPECT_TRUE(fs::exists(file));
  EXPECT_EQ(store_->PutFile("moved", file, true).value(), kSha256OfAbc);
  EXPECT_FALSE(fs::exists(file));
  EXPECT_EQ(ReadAll(*store_->Get("moved")), "abc");
  EXPECT_EQ(store_->PutFile("none", file, true).error().kind, ErrorKind::kIo);
  EXPECT_TRUE(fs::is_empty(root() / "tmp"));
}

TEST_F(ArtifactStoreTest, List_DirectChildrenSorted) {
  for (const char* path : {"e/r/b.txt", "e/r/a/x", "e/r/a/y/z", "e/r/a-b", "e/r0", "e2/r/c"}) {
    ASSERT_TRUE(store_->PutBytes(path, path).ok());
  }
  EXPECT_THAT(List("e/r"), ElementsAre("a/", "a-b", "b.txt"));
  EXPECT_THAT(List("e/r/"), ElementsAre("a/", "a-b", "b.txt"));
  EXPECT_THAT(List("e/r/a"), ElementsAre("x", "y/"));
  EXPECT_THAT(List("e/r/b.txt"), IsEmpty());
  EXPECT_THAT(List("none"), IsEmpty());
  EXPECT_THAT(List(""), ElementsAre("e/", "e2/"));
  EXPECT_EQ(store_->List("e/r")->at(2).size, 9);
}

TEST_F(ArtifactStoreTest, Delete_TakesFilesAndFolders) {
  for (const char* path : {"r/a/x", "r/a/y", "r/ab", "r/c"}) {
    ASSERT_TRUE(store_->PutBytes(path, "1").ok());
  }
  EXPECT_TRUE(store_->Delete("r/a").ok());
  EXPECT_THAT(List("r"), ElementsAre("ab", "c"));
  EXPECT_TRUE(store_->Delete("r/c").ok());
  EXPECT_TRUE(store_->Delete("r/none").ok());
  EXPECT_THAT(List("r"), ElementsAre("ab"));
}

TEST_F(ArtifactStoreTest, Get_MissingAndFoldersAreErrors) {
  ASSERT_TRUE(store_->PutBytes("d/f", "1").ok());
  EXPECT_EQ(store_->Get("d").error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->Get("x").error(), NotFound("No such artifact: 'x'"));
  EXPECT_EQ(store_->PutBytes("d", "1").error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->PutBytes("d/f/g", "1").error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->PutBytes("d/", "1").error().kind, ErrorKind::kInvalid);
}

TEST_F(ArtifactStoreTest, Paths_ThatCouldLeaveTheStoreAreRefused) {
  for (const char* path :
       {"", "/etc/passwd", "../x", "a/../b", "a/..", "./a", "a//b", "a\\b", "a#b", "%2e%2e/x",
        "%252e%252e/x", "a/%2e%2e/b", "C:/x", "c:x", "a\nb", "%2fetc", "a%00b"}) {
    EXPECT_THAT(store_->PutBytes(path, "x").error().message, HasSubstr("Invalid path")) << path;
    EXPECT_EQ(store_->Get(path).error().kind, ErrorKind::kInvalid) << path;
    EXPECT_EQ(store_->Delete(path).error().kind, ErrorKind::kInvalid) << path;
  }
  for (const char* path : {"a..b/c", "100%/x", "a b/\xc3\xa9.txt", "xx:y", "...", "a%20b"}) {
    EXPECT_TRUE(store_->PutBytes(path, "x").ok()) << path;
  }
}

TEST_F(ArtifactStoreTest, Reopened_KeepsEverythingAndClearsTmp) {
  ASSERT_TRUE(store_->PutBytes("a/b", "abc").ok());
  store_.reset();
  std::ofstream(root() / "tmp" / "left") << "half";
  store_ = OpenLocalArtifactStore(root()).value();
  EXPECT_EQ(ReadAll(*store_->Get("a/b")), "abc");
  EXPECT_TRUE(fs::is_empty(root() / "tmp"));
}

TEST_F(ArtifactStoreTest, Threads_PutTheSameAndOtherContents) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const std::string path = "r/" + std::to_string(t) + "/" + std::to_string(i);
        EXPECT_TRUE(store_->PutBytes(path, std::to_string(i)).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(CountObjects(), 10u);
  EXPECT_EQ(List("r/3").size(), 10u);
}

}  // namespace
}  // namespace muster::tracker
