#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "tracker/run_store.h"

/// The suite that every run store passes. An adapter's test instantiates it:
///   INSTANTIATE_TEST_SUITE_P(Memory, RunStoreContract, testing::Values(RunStoreMaker{...}));

namespace muster::tracker {

struct RunStoreMaker {
  /// A fresh store; `folder` is empty and the store's own. Called a second time on the same folder it opens
  /// what the first left, if the store outlives its process (`durable`).
  std::function<std::unique_ptr<RunStore>(const Clock&, const std::filesystem::path& folder)> make;
  bool durable = false;
};

/// Waits for what a call hands to its callback.
template <typename Answer>
class Await {
 public:
  std::function<void(Answer)> callback() {
    return [this](Answer answer) { promise_.set_value(std::move(answer)); };
  }
  Answer Get() { return promise_.get_future().get(); }

 private:
  std::promise<Answer> promise_;
};

/// Calls, and waits for the answer.
inline Status Wait(const std::function<void(Done)>& call) {
  Await<Status> await;
  call(await.callback());
  return await.Get();
}

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

class RunStoreContract : public testing::TestWithParam<RunStoreMaker> {
 protected:
  RunStoreContract();
  ~RunStoreContract() override;
  void Reopen();

  // The calls, waited for.
  Result<std::string> CreateExperiment(std::string name, std::vector<Tag> tags = {});
  tracker::Run CreateRun(std::string name, std::int64_t start_ms = 0, std::string experiment = "0");
  Status Log(const RunId& run, Batch batch);
  Status LogPoint(const RunId& run, std::string key, double value, std::int64_t step,
                  std::int64_t timestamp_ms = 1, std::int64_t attempt = 0);
  Status Resume(const RunId& run, std::int64_t attempt, std::int64_t step);
  LoggedModel CreateModel(LoggedModel model);
  Status SetRunDeleted(const RunId& run, bool deleted);
  /// The ids of what may go, of all pages of two; sorted.
  std::vector<std::string> Erasables(ErasableKind kind, const ErasureScope& scope);
  /// Erases what may go and its rows; answers their ids, sorted.
  std::vector<std::string> Erase(ErasableKind kind, const ErasureScope& scope);
  /// Until there are no more; answers how many points went.
  std::int64_t EraseRows();
  /// The names of what a search finds, in order.
  std::vector<std::string> Search(std::string filter, std::vector<std::string> order_by = {});
  std::vector<double> History(const RunId& run, std::string_view key);

  FakeClock clock_;
  std::filesystem::path folder_;
  std::unique_ptr<RunStore> store_;
};

}  // namespace muster::tracker
