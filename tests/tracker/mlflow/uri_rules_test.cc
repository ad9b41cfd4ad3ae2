#include "tracker/mlflow/uri_rules.h"

#include <gmock/gmock.h>

namespace muster::tracker {
namespace {

std::string Why(const Status& status) { return status.ok() ? "" : status.error().message; }

TEST(UriRules, Split_AsUrlparse) {
  const UriParts uri = SplitUri("HTTP://h:80/a/b;p?q=1#f");
  EXPECT_EQ(uri.scheme, "http");
  EXPECT_EQ(uri.authority, "h:80");
  EXPECT_EQ(uri.path, "/a/b");
  EXPECT_EQ(uri.params, "p");
  EXPECT_EQ(uri.query, "q=1");
  EXPECT_EQ(uri.fragment, "f");
  EXPECT_EQ(SplitUri("/a;b/c").path, "/a;b/c");
  EXPECT_EQ(SplitUri("a:b").scheme, "a");
  EXPECT_EQ(SplitUri("1:b").path, "1:b");
  EXPECT_EQ(SplitUri("s3://b/x;y").path, "/x;y") << "no scheme with parameters";
}

TEST(UriRules, ArtifactLocations) {
  for (const char* fine : {"s3://b/x", "s3://b/x?a=b", "mlflow-artifacts:/x", "/x", "file:///x"}) {
    EXPECT_EQ(Why(CheckArtifactLocation(fine)), "") << fine;
  }
  EXPECT_EQ(Why(CheckArtifactLocation("s3://b/x#y")),
            "'artifact_location' URL can't include fragments or params.");
  EXPECT_EQ(Why(CheckArtifactLocation("s3://b/x?a=%252e%252e")), "Invalid query string");
  EXPECT_EQ(Why(CheckArtifactLocation("runs:/a/b")),
            "Artifact location cannot be a runs:/ URI. Given: 'runs:/a/b'");
  EXPECT_NE(Why(CheckArtifactLocation("s3://b/" + std::string(3'000, 'x'))), "");
}

TEST(UriRules, LocalPaths) {
  for (const auto& [uri, path] : {std::pair("a/b", "a/b"),
                                  {"/a%20b", "/a b"},
                                  {"file:///a", "/a"},
                                  {"file://localhost/a", "/a"},
                                  {"file:a", "a"}}) {
    EXPECT_EQ(LocalPathOf(uri)->value_or("none"), path) << uri;
  }
  EXPECT_FALSE(LocalPathOf("s3://b/x")->has_value());
  EXPECT_THAT(LocalPathOf("file://h/x").error().message,
              testing::StartsWith("file://h/x is not a valid remote uri. "));
  EXPECT_EQ(LocalPathOf("file://h/x").error().kind, ErrorKind::kInternal);
}

TEST(UriRules, RelativeLocationsAreBelowTheFolder) {
  for (const auto& [uri, whole] : {std::pair("a/./b", "/w/a/b"),
                                   {"../a", "/w/../a"},
                                   {"/a", "/a"},
                                   {"file:a", "file:///w/a"},
                                   {"file:///a", "file:///a"},
                                   {"s3://b/x", "s3://b/x"}}) {
    EXPECT_EQ(*AbsoluteLocation(uri, "/w"), whole) << uri;
  }
}

TEST(UriRules, AClientChoosesNoHost) {
  EXPECT_TRUE(Why(CheckNoForeignHost("https://h/x", "source"))
                  .starts_with("'source' cannot use the 'https' scheme: "));
  EXPECT_NE(Why(CheckNoForeignHost("mlflow-artifacts://h/x", "source")), "");
  EXPECT_EQ(Why(CheckNoForeignHost("mlflow-artifacts:/x", "source")), "");
  EXPECT_EQ(Why(CheckNoForeignHost("gs://bucket/x", "source")), "");
}

}  // namespace
}  // namespace muster::tracker
