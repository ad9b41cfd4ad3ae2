#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "trainer/checkpoint.h"
#include "trainer/torch/snapshot.h"

/// Saves checkpoints on a thread of its own: training waits only for the copy in memory. Rank 0's.
///
/// There is one save at a time, and the next one waits for it (Wait) instead of being left out: each has a record that
/// a scheduler counts on (metrics of its epoch, what a clone starts from), and which checkpoints there are must not
/// depend on how fast a disk is. So training is never further ahead of the disk than one checkpoint, and one copy of
/// the state is all the memory it takes. As the loop uses it:
///
///   Reserve(tensors)               once they exist, so that the first save stalls no longer than others
///   Control::Flush(), then Begin() to save: what was said before a checkpoint is safe before it is published, and
///                                  whoever copies the folder has done so
///   Poll()                         between steps: what came of it, once; kCheckpoint is sent then, not before
///   Wait()                         before the next Begin, before what is best is asked or decided, before the end

namespace muster::trainer {

class BackgroundSaver {
 public:
  /// What came of a save.
  struct Saved {
    Progress progress;         ///< as it was saved
    bool best = false;         ///< likewise
    Result<std::string> path;  ///< as of CheckpointStore::Save; kInternal in LibTorch's words
  };

  /// `store` outlives it, and is asked by nobody else while a save is in flight.
  explicit BackgroundSaver(CheckpointStore& store);
  /// Waits for the save in flight; nobody hears what came of it.
  ~BackgroundSaver();
  BackgroundSaver(const BackgroundSaver&) = delete;
  BackgroundSaver& operator=(const BackgroundSaver&) = delete;

  /// Makes room for copies of such tensors, in the background.
  void Reserve(NamedTensors tensors, std::vector<GatheredTensor> gathered = {});
  /// Copies the tensors, returns, and saves the copy. Not while busy(). kUnsupported as of Snapshot::Take, and nothing
  /// is saved. Throws c10::Error, std::bad_alloc.
  Status Begin(Progress progress, std::map<std::string, std::string> metadata,
               const NamedTensors& tensors, bool best,
               const std::vector<GatheredTensor>& gathered = {});
  /// A save is in flight, or nobody has heard yet what came of it.
  [[nodiscard]] bool busy() const;
  /// Never blocks.
  std::optional<Saved> Poll();
  /// Nothing when none was begun since the last answer.
  std::optional<Saved> Wait();

 private:
  enum class State { kIdle, kReserving, kSaving, kSaved, kEnding };
  void Run();
  void SaveOne();
  std::optional<Saved> TakeSaved();  ///< under mutex_

  CheckpointStore& store_;
  mutable std::mutex
      mutex_;  // guards state_; the rest belongs to the thread while it reserves or saves
  std::condition_variable changed_;
  State state_ = State::kIdle;
  Snapshot snapshot_;
  NamedTensors reserve_;
  std::vector<GatheredTensor> reserve_gathered_;
  CheckpointView view_;
  bool best_ = false;
  std::optional<Result<std::string>> path_;
  std::thread thread_;
};

}  // namespace muster::trainer
