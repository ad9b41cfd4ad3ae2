#include "tests/tracker/mlflow/routes_fixture.h"

namespace muster::tracker {
namespace {

TEST_F(RoutesTest, Experiments_BodiesAsMlflows) {
  Expect("POST", "/experiments/create", R"({"name": "e", "tags": [{"key": "k", "value": "v"}]})",
         200, R"({"experiment_id": "1"})");
  Expect("GET", "/experiments/get-by-name?experiment_name=e", "", 200,
         R"({"experiment": {"experiment_id": "1", "name": "e", "artifact_location":
             "mlflow-artifacts:/1", "lifecycle_stage": "active", "last_update_time": 1700000000000,
             "creation_time": 1700000000000, "tags": [{"key": "k", "value": "v"}],
             "workspace": "default"}})");
  ExpectError("GET", "/experiments/get-by-name?experiment_name=x", "", 404,
              "RESOURCE_DOES_NOT_EXIST", "Could not find experiment with name 'x'");
  ExpectError("POST", "/experiments/create", R"({"name": "e"})", 400, "RESOURCE_ALREADY_EXISTS",
              "Experiment(name=e) already exists.");
  ExpectError("POST", "/experiments/create", "{}", 400, "INVALID_PARAMETER_VALUE",
              "Missing value for required parameter 'name'. See the API docs for more information "
              "about request parameters.");
  Expect("POST", "/experiments/delete", R"({"experiment_id": "1"})", 200, "{}");
  ExpectError("POST", "/experiments/update", R"({"experiment_id": "1", "new_name": "f"})", 500,
              "INVALID_STATE", "Cannot rename a non-active experiment.");
  // Without max_results MLflow refuses, too.
  EXPECT_EQ(Send("POST", "/api/2.0/mlflow/experiments/search", "{}").status, 400);
}

TEST_F(RoutesTest, Experiments_LocationsAreAbsolute) {
  Send("POST", "/api/2.0/mlflow/experiments/create",
       R"({"name": "e", "artifact_location": "here"})");
  EXPECT_EQ(runs_.GetExperiment("1")->artifact_location, (folder_ / "here").string());
  EXPECT_EQ(Send("POST", "/api/2.0/mlflow/experiments/create",
                 R"({"name": "f", "artifact_location": "file://host/x"})")
                .status,
            500);
}

TEST_F(RoutesTest, Experiments_IdsMayHaveBlanksAround) {
  EXPECT_EQ(Send("GET", "/api/2.0/mlflow/experiments/get?experiment_id=%200").status, 200);
  ExpectError("GET", "/experiments/get?experiment_id=%207", "", 404, "RESOURCE_DOES_NOT_EXIST",
              "No Experiment with id=7 exists");
  ExpectError("GET", "/experiments/get?experiment_id=%20", "", 400, "INVALID_PARAMETER_VALUE",
              "Invalid experiment ID ' '. Experiment ID must be a valid integer.");
}

TEST_F(RoutesTest, Experiments_ATagToDelete_NeedsNoValidKey) {
  ExpectError("POST", "/experiments/delete-experiment-tag",
              R"({"experiment_id": "0", "key": "a//b"})", 404, "RESOURCE_DOES_NOT_EXIST",
              "No tag with name: a//b in experiment with id 0");
}

}  // namespace
}  // namespace muster::tracker
