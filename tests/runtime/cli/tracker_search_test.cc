#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "registry/memory_model_store.h"
#include "runtime/base/clock.h"
#include "runtime/cli/context.h"
#include "runtime/http/server.h"
#include "tracker/memory_run_store.h"
#include "tracker/mlflow/routes.h"
#include "tracker/sqlite/artifact_store.h"

namespace muster::cli {
namespace {

using testing::HasSubstr;

/// `muster tracker search` against the tracker's own routes.
class SearchCommandTest : public ::testing::Test {
 protected:
  SearchCommandTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster_find_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    artifacts_ = tracker::OpenLocalArtifactStore(folder_).value();
    runs_.CreateExperiment("digits", "", {}, [](const auto&) {});
    Add("a", "0", 0.5, 0);
    Add("b", "1", 0.7, 60'000);
    Add("c", "1", 0.9, 120'000);
    tracker::AddMlflowRoutes(router_, runs_, *artifacts_, models_);
    server_ = *http::Server::Start({}, router_);
    context_.server = server_->url();
  }
  ~SearchCommandTest() override { std::filesystem::remove_all(folder_); }

  void Add(const char* id, const char* experiment, double acc, std::int64_t start_ms) {
    const RunId run(id);
    runs_.CreateRun(
        {.run_id = run, .experiment_id = experiment, .run_name = id, .start_time_ms = start_ms},
        [](const auto&) {});
    runs_.LogBatch(run,
                   {.metrics = {{"acc", acc, 1, 1}, {"acc", 0.1, 2, 2}}, .params = {{"lr", "0.1"}}},
                   [](const Status&) {});
  }
  /// The exit code; what was printed is in out_ and err_.
  int Run(std::vector<std::string> words) {
    CLI::App app;
    AddTrackerSearch(app, context_);
    std::ranges::reverse(words);
    app.parse(words);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = context_.run();
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
  }

  FakeClock clock_;
  std::filesystem::path folder_;
  tracker::MemoryRunStore runs_{clock_};
  std::unique_ptr<tracker::ArtifactStore> artifacts_;
  registry::MemoryModelStore models_{clock_};
  http::Router router_;
  std::unique_ptr<http::Server> server_;
  Context context_;
  std::string out_, err_;
};

TEST_F(SearchCommandTest, AnExperimentByName_WithItsMetrics_NewestFirst) {
  EXPECT_EQ(Run({"search", "digits"}), 0);
  EXPECT_EQ(out_,
            "RUN\tNAME\tSTATUS\tSTARTED\tmetrics.acc\n"
            "c\tc\tRUNNING\t1970-01-01 00:02\t0.1\n"
            "b\tb\tRUNNING\t1970-01-01 00:01\t0.1\n");
  EXPECT_EQ(err_, "2 of 2 runs\n");
}

TEST_F(SearchCommandTest, AllExperiments_ByWhatTheyOnceHad) {
  EXPECT_EQ(Run({"search", "--where", "max(metrics.acc) > 0.6 OR run_name = 'a'", "--order-by",
                 "max(metrics.acc)", "--limit", "2", "--select", "params.lr,tags"}),
            0);
  EXPECT_EQ(out_,
            "RUN\tNAME\tSTATUS\tSTARTED\tparams.lr\ttags.mlflow.runName\n"
            "a\ta\tRUNNING\t1970-01-01 00:00\t0.1\ta\n"
            "b\tb\tRUNNING\t1970-01-01 00:01\t0.1\tb\n");
  EXPECT_EQ(err_, "2 of 3 runs\n");
}

TEST_F(SearchCommandTest, NothingFound_OrAskedWrongly_IsSaid) {
  EXPECT_EQ(Run({"search", "0", "--where", "metrics.none > 1"}), 0);
  EXPECT_EQ(out_, "RUN\tNAME\tSTATUS\tSTARTED\n");
  EXPECT_EQ(err_, "0 of 0 runs\n");
  EXPECT_NE(Run({"search", "0", "--where", "(metrics.a > 1"}), 0);
  EXPECT_THAT(err_, HasSubstr("wanted AND, OR or ')', got the end"));
  EXPECT_NE(Run({"search", "nowhere"}), 0);
  EXPECT_THAT(err_, HasSubstr("Could not find experiment with name 'nowhere'"));
}

}  // namespace
}  // namespace muster::cli
