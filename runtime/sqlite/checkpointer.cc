#include "runtime/sqlite/checkpointer.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "runtime/base/log.h"

namespace muster::sqlite {

struct Checkpointer::Impl {
  Impl(Database own, Options chosen) : database(std::move(own)), options(chosen) {}

  void Loop() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return stopping || wanted; });
      if (stopping) return;
      wanted = false;
      lock.unlock();
      {
        const std::lock_guard busy(work);
        Checkpoint(database);
      }
      lock.lock();
    }
  }

  static void Checkpoint(Database& database) {
    if (const Status status = database.Checkpoint(); !status.ok()) {
      LogWarning("sqlite", "checkpoint: " + status.error().message);
    }
  }

  Database database;  // the thread's own
  const Options options;
  std::mutex work;   // held by who checkpoints
  std::mutex mutex;  // guards wanted and stopping
  std::condition_variable wake;
  bool wanted = false, stopping = false;
  std::thread thread;
};

Checkpointer::Checkpointer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Checkpointer>> Checkpointer::Start(const std::filesystem::path& file,
                                                          Database& writer, Options options) {
  MUSTER_ASSIGN_OR_RETURN(Database own, Database::Open(file, {.vfs = options.vfs}));
  writer.CheckpointByHand();
  own.CheckpointByHand();
  auto impl = std::make_unique<Impl>(std::move(own), options);
  impl->thread = std::thread([started = impl.get()] { started->Loop(); });
  return std::unique_ptr<Checkpointer>(new Checkpointer(std::move(impl)));
}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_one();
  impl_->thread.join();
}

void Checkpointer::Committed(Database& writer) {
  if (writer.log_pages() < impl_->options.begin_pages) return;
  if (writer.log_pages() >= impl_->options.most_pages) {
    // The thread's may be under way; after it little is left, and nobody adds to it.
    const std::lock_guard busy(impl_->work);
    return Impl::Checkpoint(writer);
  }
  {
    const std::lock_guard lock(impl_->mutex);
    if (std::exchange(impl_->wanted, true)) return;
  }
  impl_->wake.notify_one();
}

}  // namespace muster::sqlite
