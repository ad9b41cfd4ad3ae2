#include "runtime/server/artifact_roots.h"

#include <gmock/gmock.h>

#include "runtime/base/random.h"

namespace muster::server {
namespace {

namespace fs = std::filesystem;

class ArtifactRootsTest : public testing::Test {
 protected:
  ~ArtifactRootsTest() override { fs::remove_all(folder_); }
  Result<ArtifactRoots> Open(const std::string& root) {
    return OpenArtifactRoots(root, folder_ / "own", SystemClock(), [](std::string_view name) {
      return name.starts_with("AWS_") ? std::optional<std::string>("x") : std::nullopt;
    });
  }
  fs::path folder_ = fs::temp_directory_path() / ("muster-roots-" + RandomHex(8));
};

TEST_F(ArtifactRootsTest, Folder_KeptBehindTheProxy) {
  for (const std::string& root : {std::string(), (folder_ / "given").string()}) {
    const auto roots = Open(root);
    ASSERT_TRUE(roots.ok()) << roots.error().message;
    EXPECT_EQ(roots->location, "mlflow-artifacts:");
    EXPECT_EQ(roots->folder, root.empty() ? folder_ / "own" : fs::path(root));
    EXPECT_TRUE(roots->store->PutBytes("a", "1").ok());
    EXPECT_TRUE(fs::exists(roots->folder / "names.db"));
    EXPECT_EQ(roots->open_root((folder_ / "x").string()).error().kind, ErrorKind::kFenced);
  }
}

TEST_F(ArtifactRootsTest, FileUri_ClientsWriteThere) {
  const auto roots = Open("file://" + (folder_ / "runs").string());
  ASSERT_TRUE(roots.ok()) << roots.error().message;
  EXPECT_EQ(roots->location, "file://" + (folder_ / "runs").string());
  EXPECT_TRUE(roots->open_root((folder_ / "runs" / "1").string()).ok());
  EXPECT_EQ(roots->open_root("/etc").error().kind, ErrorKind::kFenced);
}

TEST_F(ArtifactRootsTest, S3_IsOpenedAndOtherSchemesAreRefused) {
  const auto roots = Open("s3://bucket/prefix");
  ASSERT_TRUE(roots.ok()) << roots.error().message;
  EXPECT_TRUE(roots->store->offers_parts());
  EXPECT_EQ(roots->location, "mlflow-artifacts:");
  EXPECT_EQ(Open("gs://bucket").error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace muster::server
