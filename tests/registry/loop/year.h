#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "registry/loop/trigger_service.h"
#include "registry/rollout/rollout.h"
#include "registry/sqlite/model_store.h"
#include "registry/sqlite/trigger_store.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"

/// A year around the closed loop, from a seed: the loop itself, its stores and its canaries are the real ones; the world
/// that drifts, trains, labels, approves, asks and kills is played.
///
///   world       its regime changes at random times: models of an earlier one lose 15 points of accuracy
///   labels      come half a day to two days late: for monitors, for the next training's rows, for canaries
///   monitors    raise "drift" (soon, sometimes for nothing) and "score" (from labels), and again while it lasts
///   sweeps      take hours; some fail; some candidates are worse and pass their gates by luck, or break online
///   people      approve within days, reject, or never answer
///   requests    700 in 4 hours, of which the challenger in canary gets its share
///   kills       the server dies before or after any of its writes, and is up again within hours

namespace muster::registry {

struct Year {
  struct Options {
    std::uint64_t seed = 0;
    bool canary = true;  ///< false: what passes its gates is champion at once
    bool kills = true;
  };
  explicit Year(Options options);
  ~Year();
  /// What went against an invariant; empty: nothing. Once.
  std::vector<std::string> Play();

  /// Over the year.
  struct Tally {
    int firings = 0, promoted = 0, rolled_back = 0, kills = 0, skipped = 0, by_budget = 0;
    int bad_candidates = 0;  ///< that passed their gates
    int good_rolled_back = 0, good_canaries = 0;
  } tally;

 private:
  struct Model {
    int regime = 0;
    double accuracy = 0.95, answers = 0.999;
  };
  struct Sweep {
    std::int64_t ends = 0;
    std::string spec_json;
    wire::SweepDetail detail;
  };
  struct Canary {
    std::int64_t version = 0, champion = 0;
    std::unique_ptr<Rollout> rollout;
    std::size_t told = 1;  ///< lines of its log; the first is its start
    std::deque<std::pair<std::int64_t, std::pair<Arm, bool>>> labels;  ///< when they come
  };
  class Store;

  [[nodiscard]] std::int64_t Now() const { return clock_.UnixNow() / 1000; }
  [[nodiscard]] int RegimeAt(std::int64_t time) const;
  [[nodiscard]] double Accuracy(const Model& model, std::int64_t time) const;
  [[nodiscard]] std::int64_t Named(const std::string& alias) const;
  void Restart();
  void AddTriggers();
  void Step();
  Status Submit(const SweepId& sweep, const std::string& json);
  void EndSweeps();
  void Judge(const std::string& id, Sweep& sweep);
  void PeopleDecide();
  void MonitorsLook();
  void Raise(const std::string& kind, double value);
  void Serve();
  void Canaries();
  void CheckNow();
  void CheckLogs();
  void CheckStory(const Firing& firing);
  void Wrong(const std::string& what);

  Options options_;
  Random random_;
  FakeClock clock_;
  std::unique_ptr<SqliteModelStore> models_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<TriggerService> service_;  ///< null: the server is down
  std::int64_t up_again_ = 0;
  std::vector<std::int64_t> drifts_;
  std::map<std::int64_t, Model> made_;  ///< by version
  std::map<std::string, Sweep> sweeps_;
  std::map<std::int64_t, std::pair<std::int64_t, bool>> words_;  ///< version: when, and which
  std::optional<Canary> canary_;
  std::map<std::string, std::int64_t> raised_;  ///< by signal: when it was last
  std::int64_t champion_ = 0;                   ///< at the step before
  std::int64_t bad_since_ = 0;     ///< the champion is below what is asked of it; 0: it is not
  std::int64_t ended_before_ = 0;  ///< retrainings that had ended then
  int digest_ = 0;
  std::vector<std::string> wrong_;
};

}  // namespace muster::registry
