#include "registry/batch/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::registry {
namespace {

BatchProgress Begun() {
  BatchProgress progress;
  progress.model = "digits@champion";
  progress.model_version = "3";
  progress.input_sha256 = "ab";
  progress.options = R"({"batch_rows":64})";
  progress.rows = 128;
  progress.output_bytes = (std::uint64_t{1} << 40) + 1;
  progress.header = "row,class\n";
  return progress;
}

TEST(BatchProgress, Json_ComesBack) {
  const auto again = BatchProgressFromJson(ToJson(Begun()));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(ToJson(*again), ToJson(Begun()));
  EXPECT_EQ(again->output_bytes, (std::uint64_t{1} << 40) + 1);
}

TEST(BatchProgress, NotOurs_IsRefused) {
  EXPECT_EQ(BatchProgressFromJson("{\"rows\":").error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(BatchProgressFromJson("{\"rows\":-1}").error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(BatchProgressFromJson("{\"format\":2}").error().kind, ErrorKind::kUnsupported);
}

TEST(CanGoOn, AnythingElseOfTheWork_IsAConflictByName) {
  EXPECT_TRUE(CanGoOn(Begun(), Begun()).ok());
  struct Row {
    std::string BatchProgress::* field;
    std::string_view want;
  };
  for (const auto& [field, want] :
       std::vector<Row>{{&BatchProgress::model, "the model was"},
                        {&BatchProgress::model_version, "version was '3'"},
                        {&BatchProgress::model_sha256, "files' SHA-256"},
                        {&BatchProgress::engine, "the engine was"},
                        {&BatchProgress::input, "the input was"},
                        {&BatchProgress::input_sha256, "SHA-256 was 'ab'"},
                        {&BatchProgress::options, "the options were"}}) {
    BatchProgress now = Begun();
    now.*field = "other";
    const Status status = CanGoOn(Begun(), now);
    ASSERT_FALSE(status.ok()) << want;
    EXPECT_EQ(status.error().kind, ErrorKind::kConflict);
    EXPECT_THAT(status.error().message, testing::HasSubstr(want));
  }
}

TEST(CanGoOn, OtherFileForWrongRows_OnlyWhileThereWereNone) {
  BatchProgress begun = Begun(), now = Begun();
  now.skip_bad = "bad.csv";
  EXPECT_TRUE(CanGoOn(begun, now).ok());
  begun.skipped = 2;
  EXPECT_FALSE(CanGoOn(begun, now).ok());
  now.skip_bad = begun.skip_bad = "bad.csv";
  EXPECT_TRUE(CanGoOn(begun, now).ok());
}

}  // namespace
}  // namespace muster::registry
