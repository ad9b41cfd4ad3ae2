#include "tracker/sqlite/artifact_store.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "runtime/base/sha256.h"

/// What the contract (tests/contract/artifact_store_contract.h) does not ask of every store: contents by their
/// hash, parts on disk, what is collected.

namespace muster::tracker {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using namespace std::chrono_literals;

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
  std::size_t CountFiles(const char* below) {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root() / below)) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }
  /// Begins an upload and sends these parts.
  std::string Upload(std::string_view path, const std::vector<std::string>& contents) {
    const auto upload =
        store_->BeginUpload(path, static_cast<std::int64_t>(contents.size())).value();
    etags_.clear();
    for (std::size_t i = 0; i < contents.size(); ++i) {
      const auto number = static_cast<std::int64_t>(i + 1);
      etags_.push_back(
          {number, store_->PutPart(upload.id, number, {.bytes = contents[i]}).value()});
    }
    return upload.id;
  }
  std::vector<ArtifactPart> etags_;

  fs::path folder_;
  std::unique_ptr<ArtifactStore> store_;
};

fs::file_time_type Later() { return fs::file_time_type::clock::now() + 1h; }

TEST_F(ArtifactStoreTest, Put_SameContentIsStoredOnceUnderItsHash) {
  ASSERT_TRUE(store_->PutBytes("a", "abc").ok());
  ASSERT_TRUE(store_->PutBytes("b", "abc").ok());
  EXPECT_EQ(CountFiles("objects"), 1U);
  EXPECT_EQ(store_->Get("a")->sha256, kSha256OfAbc);
  EXPECT_EQ(store_->List("")->at(0).sha256, kSha256OfAbc);
  EXPECT_TRUE(fs::is_empty(root() / "tmp"));
}

TEST_F(ArtifactStoreTest, Put_WithItsHash_IsNotReadAgain) {
  const fs::path file = folder_ / "upload";
  std::ofstream(file) << "abc";
  const std::string claimed = Sha256Hex("what the server hashed");
  ASSERT_TRUE(store_->Put("a", {.file = file, .may_move = true, .sha256 = claimed}).ok());
  EXPECT_EQ(store_->Get("a")->sha256, claimed);
  EXPECT_EQ(ReadAll(store_->Get("a")->path), "abc");
}

TEST_F(ArtifactStoreTest, Put_FileInTheWayOfAFolderAndBack_Invalid) {
  ASSERT_TRUE(store_->PutBytes("d/f", "1").ok());
  EXPECT_EQ(store_->PutBytes("d", "1").error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->PutBytes("d/f/g", "1").error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->PutBytes("d/", "1").error().kind, ErrorKind::kInvalid);
}

TEST_F(ArtifactStoreTest, Reopened_KeepsEverythingAndClearsTmp) {
  ASSERT_TRUE(store_->PutBytes("a/b", "abc").ok());
  const std::string upload = Upload("big", {"one", "two"});
  store_.reset();
  std::ofstream(root() / "tmp" / "left") << "half";
  store_ = OpenLocalArtifactStore(root()).value();
  EXPECT_EQ(ReadAll(store_->Get("a/b")->path), "abc");
  EXPECT_TRUE(fs::is_empty(root() / "tmp"));
  ASSERT_TRUE(store_->CompleteUpload("big", upload, etags_).ok());
  EXPECT_EQ(ReadAll(store_->Get("big")->path), "onetwo");
  EXPECT_EQ(store_->Get("big")->sha256, Sha256Hex("onetwo"));
  EXPECT_TRUE(fs::is_empty(root() / "uploads"));
}

TEST_F(ArtifactStoreTest, Parts_SentAgain_TheNamedOneCounts) {
  const std::string upload = Upload("big", {"one", "two"});
  const auto other = store_->PutPart(upload, 2, {.bytes = "TWO"});
  ASSERT_TRUE(other.ok());
  etags_[1].etag = *other;
  ASSERT_TRUE(store_->CompleteUpload("big", upload, etags_).ok());
  EXPECT_EQ(ReadAll(store_->Get("big")->path), "oneTWO");
}

TEST_F(ArtifactStoreTest, Parts_MissingWrongOrShortened_InvalidAndNothingIsLost) {
  const std::string upload = Upload("big", {"one", "two"});
  const auto complete = [&](std::vector<ArtifactPart> parts) {
    return store_->CompleteUpload("big", upload, std::move(parts)).error();
  };
  const ArtifactPart one = etags_[0], two = etags_[1];
  EXPECT_THAT(complete({one}).message, HasSubstr("has 2 parts, 1 are named"));
  EXPECT_THAT(complete({one, {1, one.etag}}).message, HasSubstr("Part 2"));
  EXPECT_THAT(complete({one, {3, two.etag}}).message, HasSubstr("Part 2"));
  EXPECT_THAT(complete({{1, two.etag}, two}).message, HasSubstr("Part 1"));
  EXPECT_THAT(complete({one, {2, "../../../names.db"}}).message, HasSubstr("Part 2"));
  const fs::path stored = root() / "uploads" / upload / ("2-" + two.etag);
  fs::resize_file(stored, 1);  // what a power loss may leave
  EXPECT_THAT(complete({one, two}).message, HasSubstr("Part 2"));
  EXPECT_EQ(store_->PutPart(upload, 3, {.bytes = "x"}).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->Get("big").error().kind, ErrorKind::kNotFound);
  ASSERT_TRUE(store_->PutPart(upload, 2, {.bytes = "two"}).ok());
  ASSERT_TRUE(store_->CompleteUpload("big", upload, {two, one}).ok());
}

TEST_F(ArtifactStoreTest, Parts_OfAnotherPathOrUpload_NotFound) {
  const std::string upload = Upload("big", {"one"});
  EXPECT_EQ(store_->CompleteUpload("other", upload, etags_).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(store_->AbortUpload("other", upload).error().kind, ErrorKind::kNotFound);
  for (const std::string& id : {std::string("../objects"), std::string(32, 'a'), std::string()}) {
    EXPECT_EQ(store_->PutPart(id, 1, {.bytes = "x"}).error().kind, ErrorKind::kNotFound) << id;
    EXPECT_TRUE(store_->AbortUpload("big", id).ok()) << id;
  }
  EXPECT_TRUE(store_->AbortUpload("big", upload).ok());
  EXPECT_TRUE(fs::is_empty(root() / "uploads"));
  EXPECT_EQ(store_->BeginUpload("big", 0).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->BeginUpload("big", kMostParts + 1).error().kind, ErrorKind::kInvalid);
}

TEST_F(ArtifactStoreTest, Collect_UnnamedOldContentsAndUploads) {
  ASSERT_TRUE(store_->PutBytes("kept", "abc").ok());
  ASSERT_TRUE(store_->PutBytes("replaced", "old").ok());
  ASSERT_TRUE(store_->PutBytes("replaced", "new").ok());
  ASSERT_TRUE(store_->PutBytes("gone", "12345").ok());
  ASSERT_TRUE(store_->Delete("gone").ok());
  Upload("big", {"one"});
  const auto earlier = fs::file_time_type::clock::now() - 1h;
  const auto young = store_->Collect({.contents = earlier, .uploads = earlier});
  EXPECT_EQ(young->objects + young->uploads, 0);
  const auto contents = store_->Collect({.contents = Later(), .uploads = earlier});
  EXPECT_EQ(contents->objects, 2);
  EXPECT_EQ(contents->bytes, 8);
  EXPECT_EQ(contents->uploads, 0);
  EXPECT_EQ(store_->Collect({.contents = earlier, .uploads = Later()})->uploads, 1);
  EXPECT_EQ(CountFiles("objects"), 2U);
  EXPECT_EQ(ReadAll(store_->Get("kept")->path), "abc");
  EXPECT_EQ(ReadAll(store_->Get("replaced")->path), "new");
}

TEST_F(ArtifactStoreTest, Collect_WhileTheSameContentsComeAndGo_NothingNamedIsLost) {
  std::atomic<bool> stop = false;
  std::thread collector([&] {
    while (!stop) EXPECT_TRUE(store_->Collect({.contents = Later(), .uploads = Later()}).ok());
  });
  for (int i = 0; i < 200; ++i) {
    const std::string content = std::to_string(i % 3);
    ASSERT_TRUE(store_->PutBytes("a", content).ok());
    ASSERT_EQ(ReadAll(store_->Get("a")->path), content);
    ASSERT_TRUE(store_->Delete("a").ok());
  }
  stop = true;
  collector.join();
}

}  // namespace
}  // namespace muster::tracker
