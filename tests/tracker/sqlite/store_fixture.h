#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>

#include "runtime/base/clock.h"
#include "runtime/sqlite/database.h"
#include "tracker/sqlite/run_store.h"

namespace muster::tracker {

/// A tracker.db of its own in a folder of its own.
class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster_store_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    Open();
  }
  ~StoreTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] std::filesystem::path file() const { return folder_ / "tracker.db"; }
  void Open() { store_ = OpenSqliteRunStore(file(), clock_).value(); }
  /// Another connection, for what the store itself would not do.
  sqlite::Database Raw() { return sqlite::Database::Open(file()).value(); }

  template <typename Answer, typename Call>
  static Answer Wait(Call call) {
    std::promise<Answer> promise;
    call([&](Answer answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  }
  RunId CreateRun(std::string id) {
    const auto run = Wait<Result<tracker::Run>>(
        [&](auto done) { store_->CreateRun({.run_id = RunId(std::move(id))}, std::move(done)); });
    return run.value().info.run_id;
  }
  Status Log(const RunId& run, Batch batch) {
    return Wait<Status>([&](auto done) { store_->LogBatch(run, std::move(batch), done); });
  }
  /// `count` points of the key "loss", a step and 10 ms apart.
  static Batch Steps(std::int64_t first, std::int64_t count) {
    Batch batch;
    for (std::int64_t step = first; step < first + count; ++step) {
      batch.metrics.push_back({.key = "loss",
                               .value = 1.0 / static_cast<double>(step + 1),
                               .timestamp_ms = 10 * step,
                               .step = step});
    }
    return batch;
  }

  FakeClock clock_;
  std::filesystem::path folder_;
  std::unique_ptr<RunStore> store_;
};

}  // namespace muster::tracker
