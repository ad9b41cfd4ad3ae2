#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "runtime/base/result.h"
#include "runtime/sqlite/database.h"

namespace muster::sqlite {

/// Moves the write-ahead log of a busy database into its file on a thread of its own, so that no commit waits for
/// it. Only when the log grows faster than that, the writer stops for the rest: then the log starts anew.
class Checkpointer {
 public:
  struct Options {
    std::int64_t begin_pages = 2'000;  ///< of the log; then the thread begins
    std::int64_t most_pages = 32'000;  ///< then the writer waits: 128 MiB
    const char* vfs = nullptr;         ///< see OpenOptions
  };

  /// Takes over the checkpoints of `writer`, whose database `file` is.
  static Result<std::unique_ptr<Checkpointer>> Start(const std::filesystem::path& file,
                                                     Database& writer, Options options);
  static Result<std::unique_ptr<Checkpointer>> Start(const std::filesystem::path& file,
                                                     Database& writer) {
    return Start(file, writer, Options());
  }
  /// Ends after the checkpoint that is under way.
  ~Checkpointer();

  /// For the writer's thread, after each commit. An error of a checkpoint is written to the log of the process
  /// and not answered: what was committed is durable, and the next one tries again.
  void Committed(Database& writer);

 private:
  struct Impl;
  explicit Checkpointer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::sqlite
