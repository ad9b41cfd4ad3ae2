#include "tracker/s3/artifact_store.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "runtime/http/client.h"
#include "tests/contract/artifact_store_contract.h"
#include "tracker/s3/xml.h"

/// The S3 store against moto's server, which s3_store_test.py starts.

namespace muster::tracker {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using namespace std::chrono_literals;

std::string Endpoint() {
  const char* endpoint = std::getenv("MUSTER_TEST_S3");
  return endpoint == nullptr ? "" : endpoint;
}

/// A prefix of its own in a bucket that is made when it is not there.
S3Options NewRoot(const fs::path& folder) {
  static int roots = 0;
  S3Options options;
  options.bucket = {Endpoint(), "us-east-1", "muster", {"ada", "secret", ""}};
  options.prefix = "root-" + std::to_string(++roots);
  options.scratch = folder / "scratch";
  s3::Client client(options.bucket, SystemClock());
  EXPECT_TRUE(client.Send({.method = "PUT"}).ok());
  return options;
}

INSTANTIATE_TEST_SUITE_P(S3, ArtifactStoreContract,
                         testing::Values(ArtifactStoreMaker{[](const auto& folder) {
                           return OpenS3ArtifactStore(NewRoot(folder), SystemClock()).value();
                         }}));

class S3StoreTest : public testing::Test {
 protected:
  S3StoreTest() {
    std::string pattern = (fs::temp_directory_path() / "muster_s3_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    options_ = NewRoot(folder_);
    store_ = OpenS3ArtifactStore(options_, SystemClock()).value();
  }
  ~S3StoreTest() override {
    store_.reset();
    fs::remove_all(folder_);
  }
  static http::Response Fetch(const std::string& url, std::string method, std::string body = "") {
    http::Request request{.method = std::move(method), .body = std::move(body)};
    return http::Fetch(url, std::move(request), 20s).value();
  }

  fs::path folder_;
  S3Options options_;
  std::unique_ptr<ArtifactStore> store_;
};

TEST_F(S3StoreTest, Parts_GoToPresignedAddressesAndBecomeOneFile) {
  const std::string first(5 << 20, 'a');  // S3's least part but the last
  const auto upload = store_->BeginUpload("d/big \xc3\xa9", 2);
  ASSERT_TRUE(upload.ok()) << upload.error().message;
  std::vector<ArtifactPart> parts;
  for (const std::int64_t number : {2, 1}) {
    const auto answer = Fetch(upload->part_urls.at(static_cast<std::size_t>(number - 1)), "PUT",
                              number == 1 ? first : "end");
    ASSERT_EQ(answer.status, 200) << answer.body;
    parts.push_back({number, answer.headers.at("ETag")});
  }
  const Status complete = store_->CompleteUpload("d/big \xc3\xa9", upload->id, parts);
  ASSERT_TRUE(complete.ok()) << complete.error().message;
  const auto address = store_->AddressOf("d/big \xc3\xa9");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->size, static_cast<std::int64_t>(first.size() + 3));
  EXPECT_EQ(Fetch(address->url, "GET").body, first + "end");
  EXPECT_EQ(store_->AddressOf("d").error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->AddressOf("none").error().kind, ErrorKind::kNotFound);
}

TEST_F(S3StoreTest, Abort_ForgetsTheUpload) {
  s3::Client client(options_.bucket, SystemClock());
  const auto uploads = [&] { return client.Send({.query = {{"uploads", ""}}}).value().body; };
  const auto upload = store_->BeginUpload("f", 1);
  ASSERT_TRUE(upload.ok());
  EXPECT_THAT(uploads(), HasSubstr(upload->id));
  EXPECT_TRUE(store_->AbortUpload("f", upload->id).ok());
  EXPECT_THAT(uploads(), testing::Not(HasSubstr(upload->id)));
}

TEST_F(S3StoreTest, Put_FileBeyondOneRequest_GoesInParts) {
  const fs::path file = folder_ / "large";
  std::ofstream(file) << "begin";
  fs::resize_file(file, (64 << 20) + 5);
  ASSERT_TRUE(store_->Put("large", {.file = file}).ok());
  const auto copy = store_->Get("large");
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(fs::file_size(copy->path), (64U << 20) + 5U);
  EXPECT_EQ(ReadAll(copy->path), ReadAll(file));
}

TEST_F(S3StoreTest, Get_TheCopyGoesWithItsLastHolder) {
  ASSERT_TRUE(store_->PutBytes("f", "hello").ok());
  fs::path path;
  {
    const auto file = store_->Get("f");
    path = file->path;
    EXPECT_TRUE(fs::exists(path));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(S3StoreTest, List_MoreThanAPage) {
  for (int i = 0; i < 25; ++i) {  // pages of 10, as s3_store_test.py tells the server
    ASSERT_TRUE(store_->PutBytes("many/" + std::to_string(i), "").ok());
  }
  EXPECT_EQ(store_->List("many")->size(), 25U);
  EXPECT_TRUE(store_->Delete("many").ok());
  EXPECT_TRUE(store_->List("many")->empty());
}

TEST_F(S3StoreTest, Errors_NameWhatS3Said) {
  options_.bucket.name = "nobody-has-this";
  const auto store = OpenS3ArtifactStore(options_, SystemClock()).value();
  EXPECT_THAT(store->PutBytes("f", "x").error().message, HasSubstr("NoSuchBucket"));
  options_.bucket.endpoint = "http://127.0.0.1:1";
  const auto nowhere = OpenS3ArtifactStore(options_, SystemClock()).value();
  EXPECT_EQ(nowhere->List("").error().kind, ErrorKind::kUnavailable);
}

TEST(S3Options, FromAUriAndTheEnvironment) {
  const auto with = [](std::map<std::string, std::string, std::less<>> variables) {
    return [variables](std::string_view name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
  };
  const auto options = S3OptionsFor("s3://bucket/a/b/", "/scratch",
                                    with({{"AWS_ACCESS_KEY_ID", "id"},
                                          {"AWS_SECRET_ACCESS_KEY", "key"},
                                          {"AWS_DEFAULT_REGION", "eu-west-1"},
                                          {"MLFLOW_S3_ENDPOINT_URL", "http://h:9000"}}));
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->bucket.name, "bucket");
  EXPECT_EQ(options->prefix, "a/b");
  EXPECT_EQ(options->bucket.region, "eu-west-1");
  EXPECT_EQ(options->bucket.endpoint, "http://h:9000");
  EXPECT_THAT(S3OptionsFor("s3://bucket", "/s", with({})).error().message,
              HasSubstr("AWS_ACCESS_KEY_ID"));
  EXPECT_FALSE(S3OptionsFor("s3:///x", "/s", with({})).ok());
  EXPECT_FALSE(S3OptionsFor("/tmp", "/s", with({})).ok());
}

TEST(S3Xml, WhatIsNoAnswer) {
  for (const char* text : {"", "<", "<a>", "nonsense", "<a/>", "<ListBucketResult>"}) {
    EXPECT_EQ(s3::ParseListing(text).error().kind, ErrorKind::kCorrupt) << text;
    EXPECT_EQ(s3::ParseUploadId(text).error().kind, ErrorKind::kCorrupt) << text;
    EXPECT_EQ(s3::ParseError(text), "") << text;
  }
  const auto listing = s3::ParseListing(
      "<?xml version=\"1.0\"?><ListBucketResult><Contents><Key>a&amp;b</Key><Size>3</Size>"
      "</Contents><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"
      "<NextContinuationToken>t</NextContinuationToken></ListBucketResult>");
  ASSERT_TRUE(listing.ok());
  EXPECT_EQ(listing->objects.at(0), std::pair(std::string("a&b"), std::int64_t{3}));
  EXPECT_EQ(listing->prefixes.at(0), "d/");
  EXPECT_EQ(listing->next, "t");
}

}  // namespace
}  // namespace muster::tracker
