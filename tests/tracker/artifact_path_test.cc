#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tracker/artifact_store.h"

namespace muster::tracker {
namespace {

TEST(SafeArtifactPath, ManyWaysToWriteAPath_OneName) {
  for (const auto& [path, safe] :
       std::vector<std::pair<std::string, std::string>>{{"a/b", "a/b"},
                                                        {"", ""},
                                                        {".", ""},
                                                        {"a/", "a"},
                                                        {"./a//b/.", "a/b"},
                                                        {"a%2Fb", "a/b"},
                                                        {"a%252Fb", "a/b"},
                                                        {"a b", "a b"},
                                                        {"a%20b", "a b"},
                                                        {"100%/x", "100%/x"},
                                                        {"a..b/...", "a..b/..."},
                                                        {"a\\b", "a\\b"},
                                                        {"xx:y", "xx:y"},
                                                        {"a\nb", "ab"},
                                                        {" a", "a"},
                                                        {"a\x01z", "a%01z"},
                                                        {"a%00b", "a%00b"},
                                                        {"\xc3\xa9.txt", "\xc3\xa9.txt"}}) {
    const auto result = SafeArtifactPath(path);
    ASSERT_TRUE(result.ok()) << path;
    EXPECT_EQ(*result, safe) << path;
    EXPECT_EQ(*SafeArtifactPath(*result), safe) << path;  // a store may check again
  }
}

TEST(SafeArtifactPath, WhatMlflowRefuses) {
  for (const char* path : {"/etc/passwd", "//x", "..", "../x", "a/../b", "a/..", "a#b", "%23",
                           "%2e%2e/x", "%252e%252e/x", "%2fetc", "C:/x", "C:\\x",
                           "\\\\server\\share", "file:///etc", "%\n2e./x"}) {
    const auto result = SafeArtifactPath(path);
    ASSERT_FALSE(result.ok()) << path << " became " << *result;
    EXPECT_EQ(result.error(), Invalid("Invalid path")) << path;
  }
  std::string nested = "%2e";
  for (int round = 0; round < 12; ++round) nested.replace(0, 1, "%25");
  EXPECT_FALSE(SafeArtifactPath(nested).ok());
  EXPECT_FALSE(SafeArtifactFile("a/").ok());
  EXPECT_FALSE(SafeArtifactFile(".").ok());
}

TEST(ArtifactStorePath, OfTheSchemesThatThisServerHolds) {
  EXPECT_EQ(*ArtifactStorePath("mlflow-artifacts:/0/r/artifacts", "a.txt"), "0/r/artifacts/a.txt");
  EXPECT_EQ(*ArtifactStorePath("mlflow-artifacts:0/r"), "0/r");
  EXPECT_EQ(*ArtifactStorePath("mlflow-artifacts://host:5000/0/r"), "0/r");
  EXPECT_EQ(*ArtifactStorePath("mlflow-artifacts:///0/r"), "0/r");
  EXPECT_EQ(*ArtifactStorePath("http://h:1/api/2.0/mlflow-artifacts/artifacts/0/r", "d"), "0/r/d");
  for (const char* other : {"s3://b/k", "/tmp/x", "file:///x", "http://h/other", ""}) {
    EXPECT_EQ(ArtifactStorePath(other).error().kind, ErrorKind::kUnsupported) << other;
  }
}

TEST(LocalFolderOf, FileUrisAndPlainPaths) {
  EXPECT_EQ(LocalFolderOf("file:///tmp/a%20b"), "/tmp/a b");
  EXPECT_EQ(LocalFolderOf("file:/tmp"), "/tmp");
  EXPECT_EQ(LocalFolderOf("file://host/tmp"), "/tmp");
  EXPECT_EQ(LocalFolderOf("/tmp/a:b"), "/tmp/a:b");
  EXPECT_EQ(LocalFolderOf("relative/x"), "relative/x");
  EXPECT_EQ(LocalFolderOf("s3://bucket/x"), std::nullopt);
  EXPECT_EQ(LocalFolderOf("mlflow-artifacts:/0"), std::nullopt);
}

}  // namespace
}  // namespace muster::tracker
