#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/result.h"

/// Deleting for good, as a part of the run store's port. MLflow's own deletion is soft: it sets a mark and the time.
///
///   1. FindErasable tells what was deleted long enough ago.
///   2. Erase takes such things away: from then on no read finds them and nothing brings them back. Where their
///      artifacts are is written down in the same transaction.
///   3. EraseRows removes the rows that they left, in steps that hold other writes up for a moment only, and
///      ErasedRoots tells whose artifacts are to be removed; ForgetErasedRoots, that they are.
///
/// Steps 2 and 3 go on where a process that was killed stopped. An id is never used again, but for a run that the
/// same id is asked for (CreateRun, AdoptRun); an experiment's name is free once the experiment is erased.
/// Threads as said of RunStore.

namespace muster::tracker {

enum class ErasableKind { kRun, kLoggedModel, kExperiment };

/// What may go: all that was deleted at `deleted_before` or earlier and fits the lists that are not empty. A logged
/// model may also go because its experiment does.
struct ErasureScope {
  UnixMillis deleted_before = 0;
  std::vector<std::string> experiment_ids;
  std::vector<std::string> run_ids, model_ids;  ///< with one of them only these, and no experiment
};

struct Erasable {
  ErasableKind kind = ErasableKind::kRun;
  std::string id, name, experiment_id;  ///< of an experiment both ids are its own
  std::string artifact_uri;             ///< empty for an experiment
  UnixMillis deleted_ms = 0;
  std::int64_t points =
      0;  ///< stored ones, about (one that is in a tail and a chunk counts twice); if asked
  /// Of an experiment: runs and logged models in it that the scope's time leaves. It cannot go before they do.
  std::int64_t left = 0;
};
struct ErasablePage {
  std::vector<Erasable> items;
  std::string next_page_token;  ///< empty: the last page
};

/// What one step of EraseRows removed.
struct ErasedRows {
  std::int64_t rows = 0, points = 0;
  bool more = false;
};

struct ErasedRoot {
  std::string artifact_uri;
  bool in_use =
      false;  ///< a run or logged model has its artifacts there, below or above it: leave them alone
};

class RunEraser {
 public:
  virtual ~RunEraser() = default;

  /// Things of one kind; `most` is 1 or more. Experiment 0, which MLflow needs, is never among them. `weigh`: count
  /// points, which reads a row a chunk. kInvalid for a token of another call.
  virtual Result<ErasablePage> FindErasable(ErasableKind kind, const ErasureScope& scope,
                                            std::int64_t most, std::string_view page_token,
                                            bool weigh) = 0;
  /// Erases those of `things` that were still deleted, at `deleted_before` or earlier; answers which of them. An
  /// experiment goes only when nothing is left in it and EraseRows has removed all that was. 1,000 at most.
  virtual void Erase(std::vector<Erasable> things, UnixMillis deleted_before,
                     std::function<void(Result<std::vector<Erasable>>)> done) = 0;
  /// One step.
  virtual void EraseRows(std::function<void(Result<ErasedRows>)> done) = 0;

  /// In the order of their text, the ones after `after`.
  virtual Result<std::vector<ErasedRoot>> ErasedRoots(std::string_view after,
                                                      std::int64_t most) = 0;
  virtual void ForgetErasedRoots(std::vector<std::string> artifact_uris,
                                 std::function<void(Status)> done) = 0;
};

}  // namespace muster::tracker
