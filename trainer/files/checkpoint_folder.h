#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "trainer/checkpoint.h"

/// Checkpoints in a folder, published so that `kill -9` or a full disk at any moment leaves a newest one
/// that loads. Files:
///
///   step-<S>.a-<E>.safetensors   S optimizer steps, saved by attempt E. Tensors "model.*", "optimizer.*" and
///                                other groups; metadata: "progress" (JSON of Progress), "params", "program"
///   manifest.json                {"version": 1, "attempt": E, "latest": file, "best": file, "metric": name,
///                                 "goal": "maximize", "checkpoints": [{"file", "step", "epoch", "bytes", "sha256",
///                                 "metric": number}, ...]}; without "metric" where none was computed
///   lock                         empty; held (flock) by whoever opens the folder or saves, so that attempts
///                                do not meet. Where the file system has no locks, there is a warning
///
/// To open: write our attempt into the manifest, under the lock. Older attempts are fenced from then on,
/// also those that still run; a newer one there is kFenced. (Full disk: a warning, the next save does it.)
///
/// To save, under the lock:
/// 1. Read the manifest. A newer attempt has the folder: kFenced, nothing is touched.
/// 2. Write step-S.a-E.safetensors by temporary file, fsync, rename, fsync of the folder.
/// 3. Replace the manifest the same way; it lists the new file with its SHA-256, and drops all but the newest `keep`
///    and the best `keep_best`: the one last saved as best, then those of the best metric, of equals the older.
/// 4. Delete files that the manifest does not list.
/// Killed before 3, the old manifest stands and the new file is deleted by the next save. Killed before 4,
/// there are files too many, which the next save deletes.
///
/// Only a save deletes, and only here; whole folders are the coordinator's (runtime/coordinator/checkpoints.h). A copy
/// of the folder for a clone is made before the record of its newest checkpoint is acknowledged, so a trial that
/// flushes its records before it saves again deletes nothing that is being copied. What is promoted is of a trial that
/// has ended, and nothing saves there.
///
/// To load: the files of the manifest, newest first, until one has the length and SHA-256 that the
/// manifest says; damaged and missing ones are passed over, a file that cannot be read is kIo. A damaged
/// manifest is kCorrupt: guessing could resume from the wrong attempt.

namespace muster::trainer::files {

struct FolderOptions {
  std::filesystem::path folder;  ///< made when missing
  std::int64_t attempt = 0;
  int keep = 2;       ///< newest ones that stay, besides the best; at least 1
  int keep_best = 1;  ///< at least 1; more wants `metric`
  std::string
      metric;  ///< of Progress::metrics, which those saved at the end of an epoch have; empty: none
  bool maximize = true;
};

/// kFenced, kIo, kCorrupt; kUnavailable when another process holds the lock for minutes.
Result<std::unique_ptr<CheckpointStore>> OpenCheckpointFolder(FolderOptions options);

/// One checkpoint by its path, as a result record names it. kNotFound, kCorrupt.
Result<Checkpoint> ReadCheckpointFile(const std::filesystem::path& path);

}  // namespace muster::trainer::files
