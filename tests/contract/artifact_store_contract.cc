#include "tests/contract/artifact_store_contract.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

namespace muster::tracker {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

ArtifactStoreContract::ArtifactStoreContract() {
  std::string pattern = (fs::temp_directory_path() / "muster_artifacts_XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  store_ = GetParam().make(folder_ / "store");
}

ArtifactStoreContract::~ArtifactStoreContract() {
  store_.reset();
  fs::remove_all(folder_);
}

std::vector<std::string> ArtifactStoreContract::List(std::string_view folder) {
  std::vector<std::string> names;
  const auto list = store_->List(folder);
  if (!list) return {list.error().message};
  for (const ArtifactInfo& info : *list) names.push_back(info.path + (info.is_dir ? "/" : ""));
  return names;
}

std::string ArtifactStoreContract::Content(std::string_view path) {
  const auto file = store_->Get(path);
  return file ? ReadAll(file->path) : file.error().message;
}

TEST_P(ArtifactStoreContract, Put_BytesAndFiles_GetAnswersTheContent) {
  ASSERT_TRUE(store_->PutBytes("0/r/artifacts/a.txt", "abc").ok());
  EXPECT_EQ(Content("0/r/artifacts/a.txt"), "abc");
  const std::string large(3'000'000, 'x');
  std::ofstream(folder_ / "upload") << large;
  ASSERT_TRUE(store_->Put("copied", {.file = folder_ / "upload"}).ok());
  EXPECT_TRUE(fs::exists(folder_ / "upload"));
  ASSERT_TRUE(store_->Put("moved", {.file = folder_ / "upload", .may_move = true}).ok());
  EXPECT_EQ(Content("copied"), large);
  EXPECT_EQ(Content("moved"), large);
  ASSERT_TRUE(store_->PutBytes("empty", "").ok());
  EXPECT_EQ(Content("empty"), "");
  EXPECT_EQ(store_->Put("none", {.file = folder_ / "missing"}).error().kind, ErrorKind::kIo);
}

TEST_P(ArtifactStoreContract, Put_ReplacesWhatAPathNamed) {
  ASSERT_TRUE(store_->PutBytes("a", "abc").ok());
  ASSERT_TRUE(store_->PutBytes("b", "abc").ok());
  ASSERT_TRUE(store_->PutBytes("b", "other").ok());
  EXPECT_EQ(Content("a"), "abc");
  EXPECT_EQ(Content("b"), "other");
}

TEST_P(ArtifactStoreContract, List_DirectChildrenSorted) {
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

TEST_P(ArtifactStoreContract, Delete_TakesFilesAndFolders) {
  for (const char* path : {"r/a/x", "r/a/y", "r/ab", "r/c"}) {
    ASSERT_TRUE(store_->PutBytes(path, "1").ok());
  }
  EXPECT_TRUE(store_->Delete("r/a").ok());
  EXPECT_THAT(List("r"), ElementsAre("ab", "c"));
  EXPECT_TRUE(store_->Delete("r/c").ok());
  EXPECT_TRUE(store_->Delete("r/none").ok());
  EXPECT_TRUE(store_->Delete("r/ab/none").ok());
  EXPECT_THAT(List("r"), ElementsAre("ab"));
  EXPECT_EQ(store_->Delete(".").error(), Invalid("Invalid path"));
}

TEST_P(ArtifactStoreContract, Get_MissingAndFoldersAreErrors) {
  ASSERT_TRUE(store_->PutBytes("d/f", "1").ok());
  EXPECT_EQ(store_->Get("d").error(),
            Invalid("Artifact path refers to a directory, not a file: 'd'"));
  EXPECT_EQ(store_->Get("x").error(), NotFound("No such artifact: 'x'"));
}

TEST_P(ArtifactStoreContract, Paths_OneNameForEachWayToWriteIt) {
  ASSERT_TRUE(store_->PutBytes("a/./b//c%20d", "1").ok());
  EXPECT_THAT(List("a%2Fb"), ElementsAre("c d"));
  EXPECT_EQ(Content("a/b/c d"), "1");
}

TEST_P(ArtifactStoreContract, Paths_ThatCouldLeaveTheStoreAreRefused) {
  for (const char* path :
       {"", "/etc/passwd", "../x", "a/../b", "%2e%2e/x", "%252e%252e/x", "a#b"}) {
    EXPECT_EQ(store_->PutBytes(path, "x").error(), Invalid("Invalid path")) << path;
    EXPECT_FALSE(store_->Get(path).ok()) << path;
    EXPECT_EQ(store_->Delete(path).error(), Invalid("Invalid path")) << path;
  }
}

TEST_P(ArtifactStoreContract, Threads_PutTheSameAndOtherContents) {
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
  EXPECT_EQ(List("r/3").size(), 10U);
  EXPECT_EQ(Content("r/2/7"), "7");
}

TEST_P(ArtifactStoreContract, Parts_WhereOffered_BecomeOneFile) {
  const auto upload = store_->BeginUpload("big/file", 3);
  if (!store_->offers_parts()) {
    EXPECT_EQ(upload.error().kind, ErrorKind::kUnsupported);
    EXPECT_EQ(store_->AddressOf("big/file").error().kind, ErrorKind::kUnsupported);
    return;
  }
  ASSERT_TRUE(upload.ok()) << upload.error().message;
  if (!upload->part_urls.empty()) {
    EXPECT_EQ(upload->part_urls.size(), 3U);
    EXPECT_TRUE(store_->AbortUpload("big/file", upload->id).ok());
    return;
  }
  std::vector<ArtifactPart> parts;
  for (const std::int64_t number : {3, 1, 2}) {
    const auto etag = store_->PutPart(upload->id, number,
                                      {.bytes = std::string(100, static_cast<char>('0' + number))});
    ASSERT_TRUE(etag.ok());
    parts.push_back({number, '"' + *etag + '"'});
  }
  ASSERT_TRUE(store_->CompleteUpload("big/file", upload->id, parts).ok());
  EXPECT_EQ(Content("big/file"),
            std::string(100, '1') + std::string(100, '2') + std::string(100, '3'));
  EXPECT_EQ(store_->AddressOf("big/file")->size, 300);
  EXPECT_EQ(store_->AddressOf("big/none").error().kind, ErrorKind::kNotFound);
}

}  // namespace muster::tracker
