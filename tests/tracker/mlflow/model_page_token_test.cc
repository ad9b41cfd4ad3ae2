#include "tracker/mlflow/model_page_token.h"

#include <gtest/gtest.h>

#include "runtime/base/base64.h"

namespace muster::tracker {
namespace {

ModelSearch ASearch() { return {{"1", "2"}, "name = 'm'", {{"metrics.a", false, "ds", ""}}}; }

std::string Why(std::string_view token, const ModelSearch& search) {
  const auto offset = ModelPageOffset(token, search);
  return offset ? "" : offset.error().message;
}

TEST(ModelPageToken, GoesOnWithItsOwnSearchOnly) {
  const std::string token = ModelPageToken(ASearch(), 7);
  EXPECT_EQ(*ModelPageOffset(token, ASearch()), 7);
  EXPECT_EQ(*ModelPageOffset("", ASearch()), 0);
  ModelSearch other = ASearch();
  other.experiment_ids = {"it's"};
  EXPECT_EQ(Why(token, other),
            "Experiment IDs in the page token do not match the requested experiment IDs. Expected: "
            "[\"it's\"]. Found: ['1', '2']");
  other = ASearch();
  other.filter = "";
  EXPECT_EQ(Why(token, other),
            "Filter string in the page token does not match the requested filter string. Expected: "
            "None. Found: name = 'm'");
  other = ASearch();
  other.order_by = {};
  EXPECT_EQ(Why(token, other),
            "Order by in the page token does not match the requested order by. Expected: None. "
            "Found: [{'field_name': 'metrics.a', 'ascending': False, 'dataset_name': 'ds', "
            "'dataset_digest': None}]");
}

TEST(ModelPageToken, MlflowsOwnAreRead) {
  const std::string theirs = EncodeBase64(
      R"({"experiment_ids": ["1", "2"], "filter_string": "name = 'm'", "order_by": [{"field_name":
          "metrics.a", "ascending": false, "dataset_name": "ds", "dataset_digest": null}], "offset": 3})");
  EXPECT_EQ(*ModelPageOffset(theirs, ASearch()), 3);
  EXPECT_EQ(
      *ModelPageOffset(EncodeBase64(R"({"experiment_ids": ["1"], "offset": -2})"), {{"1"}, "", {}}),
      0);
}

TEST(ModelPageToken, AnythingElseIsInvalid) {
  EXPECT_NE(Why("x", ASearch()), "");
  EXPECT_NE(Why(EncodeBase64("{"), ASearch()), "");
  EXPECT_NE(Why(EncodeBase64("[]"), ASearch()), "");
  EXPECT_EQ(Why(EncodeBase64(R"({"offset": 1})"), ASearch()),
            "Experiment IDs in the page token do not match the requested experiment IDs. Expected: "
            "['1', '2']. Found: None");
}

}  // namespace
}  // namespace muster::tracker
