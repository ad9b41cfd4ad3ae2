#include "tracker/mlflow/list_tags.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

namespace muster::tracker {
namespace {

TEST(ListTags, GrowAsMlflowWritesThem) {
  const auto first = AppendedToList(std::nullopt, {{"name", "ü"}, {"version", 1}});
  EXPECT_EQ(*first, R"([{"name": "\u00fc", "version": 1}])");
  EXPECT_EQ(*AppendedToList(*first, {{"name", "b"}}),
            R"([{"name": "\u00fc", "version": 1}, {"name": "b"}])");
  EXPECT_EQ(*AddedToList(*first, {{"name", "ü"}, {"version", 1}}), *first);
  EXPECT_FALSE(AppendedToList("{}", {}).ok());
}

TEST(ListTags, ModelForTag_KeepsWhatMlflowKeeps) {
  const auto model = ModelForTag(
      R"({"flavors": {"sklearn": {"config": "c", "code": null}}, "artifact_path": "m", "run_id":
          "r", "utc_time_created": "now", "metadata": 1})");
  EXPECT_EQ(boost::json::serialize(*model),
            R"({"run_id":"r","artifact_path":"m","utc_time_created":"now","model_uuid":null,)"
            R"("flavors":{"sklearn":{"code":null}}})");
  EXPECT_EQ(ModelForTag("{").error().message, "Malformed model info. \n { \n is not a valid JSON.");
  EXPECT_EQ(ModelForTag(R"({"flavors": {}, "run_id": "r"})").error().message,
            "Model json is missing mandatory fields: {'artifact_path', 'utc_time_created'}");
}

}  // namespace
}  // namespace muster::tracker
