#include <stdlib.h>
#include <algorithm>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <future>
#include <memory>
#include <string>

#include "registry/memory_model_store.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "tests/tracker/fuzz/lines.h"
#include "tracker/memory_run_store.h"
#include "tracker/mlflow/routes.h"
#include "tracker/sqlite/artifact_store.h"
#include "tracker/transfer/export_routes.h"

/// The first line is "METHOD target", the rest the body, as JSON. Every request is answered once: 200, or an error
/// as JSON that says what is wrong, never a 500 but MLflow's own INVALID_STATE.

namespace muster::tracker {
namespace {

struct Site {
  Site() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster_fuzz_XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    artifacts = OpenLocalArtifactStore(folder).value();
    AddMlflowRoutes(router, runs, *artifacts, models);
    AddExportRoutes(router, runs);
  }
  ~Site() {
    artifacts.reset();
    std::filesystem::remove_all(folder);
  }
  FakeClock clock;
  MemoryRunStore runs{clock};
  registry::MemoryModelStore models{clock};
  std::filesystem::path folder;
  std::unique_ptr<ArtifactStore> artifacts;
  http::Router router;
};

void Judge(const http::Response& response) {
  MUSTER_CHECK(response.status >= 200 && response.status < 600, "a status of HTTP");
  if (response.status < 400) return;
  boost::system::error_code failed;
  const auto body = boost::json::parse(response.body, failed);
  MUSTER_CHECK(!failed && body.is_object(), "an error is a JSON object");
  if (response.status != 500) return;
  const auto* code = body.get_object().if_contains("error_code");
  MUSTER_CHECK(code != nullptr && *code == "INVALID_STATE", response.body.c_str());
}

}  // namespace
}  // namespace muster::tracker

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace muster;
  static tracker::Site site;
  fuzz::Lines lines(data, size);
  const std::string_view first = lines.Next();
  const auto space = first.find(' ');
  if (space == std::string_view::npos) return 0;
  http::Request request;
  request.method = first.substr(0, space);
  // The server's parser lets tokens through alone (RFC 9110, 5.6.2).
  const auto visible = [](char c) { return c > ' ' && c < 127; };
  if (!std::ranges::all_of(request.method, visible)) return 0;
  http::SetTarget(request, first.substr(space + 1));
  request.body = lines.rest();
  if (!request.body.empty()) request.headers["Content-Type"] = "application/json";
  int answers = 0;
  site.router.Dispatch(std::move(request), [&](http::Response response) {
    ++answers;
    tracker::Judge(response);
  });
  MUSTER_CHECK(answers == 1, "one answer to a request");
  return 0;
}
