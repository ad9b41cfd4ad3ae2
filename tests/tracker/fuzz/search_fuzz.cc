#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <limits>
#include <memory>

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "tests/tracker/fuzz/lines.h"
#include "tracker/memory_run_store.h"
#include "tracker/sqlite/run_store.h"

/// Lines: a filter, a page token, then order_by, one a line. Searched for in both stores, in MLflow's language and in
/// muster's own, which takes all of the other. The stores must agree: refuse it alike (kInvalid), or find the same in
/// the same order. So the parsers, the plan and the SQL are held against the twin in memory.

namespace muster::tracker {
namespace {

/// The same few runs, experiments and models in a store: values that are equal, missing, NaN, Unicode.
void Fill(RunStore& store) {
  const auto wait = [](const auto& call) {
    std::promise<void> done;
    call([&](const auto& answer) {
      MUSTER_CHECK(answer.ok(), "the store takes what is right");
      done.set_value();
    });
    done.get_future().get();
  };
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  for (int i = 0; i < 12; ++i) {
    const RunId id(std::string(31, 'a') + "0123456789abcdef"[i]);
    wait([&](auto done) {
      store.CreateRun(
          {.run_id = id, .run_name = "run " + std::to_string(i % 5), .start_time_ms = i % 4}, done);
    });
    Batch batch{.tags = {{"team", i % 2 == 0 ? "A" : "ä"}}, .observed = false};
    if (i % 3 != 0) batch.params.push_back({"lr", std::to_string(i % 4)});
    if (i % 4 != 0) {
      batch.metrics.push_back({.key = "loss", .value = i % 5 == 0 ? kNan : 0.5 * (i % 3)});
    }
    wait([&](auto done) { store.LogBatch(id, batch, done); });
  }
}

std::string Found(const Result<Page<Run>>& page) {
  if (!page) {
    MUSTER_CHECK(page.error().kind == ErrorKind::kInvalid, page.error().message.c_str());
    return "refused";
  }
  std::string ids;
  for (const Run& run : page->items) ids += run.info.run_id.value + " ";
  ids += page->next_page_token.empty() ? "end" : "more";
  return page->total ? ids + " of " + std::to_string(*page->total) : ids;
}

struct Stores {
  Stores() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster_fuzz_XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    sqlite = OpenSqliteRunStore(folder / "tracker.db", clock).value();
    Fill(memory);
    Fill(*sqlite);
  }
  ~Stores() {
    sqlite.reset();
    std::filesystem::remove_all(folder);
  }
  FakeClock clock;
  MemoryRunStore memory{clock};
  std::filesystem::path folder;
  std::unique_ptr<RunStore> sqlite;
};

std::string FoundInBoth(Stores& stores, const SearchQuery& query) {
  std::string in_memory = Found(stores.memory.SearchRuns(query));
  const std::string in_sqlite = Found(stores.sqlite->SearchRuns(query));
  if (in_memory != in_sqlite) {
    std::fprintf(stderr, "memory: %s\nsqlite: %s\n", in_memory.c_str(), in_sqlite.c_str());
    MUSTER_CHECK(false, "the stores agree");
  }
  return in_memory;
}

}  // namespace
}  // namespace muster::tracker

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace muster;
  static tracker::Stores stores;
  fuzz::Lines lines(data, size);
  tracker::SearchQuery query{.experiment_ids = {"0"}, .max_results = 5};
  query.filter = lines.Next();
  query.page_token = lines.Next();
  while (!lines.rest().empty()) query.order_by.emplace_back(lines.Next());
  const std::string mlflow = tracker::FoundInBoth(stores, query);
  query.own_language = true;
  const std::string own = tracker::FoundInBoth(stores, query);
  MUSTER_CHECK(mlflow == "refused" || mlflow == own, "what MLflow understands means the same");
  query.count = true;
  (void)tracker::FoundInBoth(stores, query);
  // The other grammars, and the history's token, only must not fall.
  (void)stores.memory.SearchExperiments(query);
  (void)stores.sqlite->SearchExperiments(query);
  (void)stores.memory.SearchLoggedModels(query);
  (void)stores.sqlite->SearchLoggedModels(query);
  const RunId run(std::string(31, 'a') + "1");
  (void)stores.sqlite->MetricHistory(run, "loss", 5, query.page_token);
  return 0;
}
