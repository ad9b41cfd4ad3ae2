#include "runtime/sqlite/group_commit.h"

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

namespace muster::sqlite {
namespace {

/// Bound how long one commit, and so one acknowledgement, can take.
constexpr std::size_t kMostInACommit = 10'000;
constexpr std::size_t kMostBytesInACommit = 8 << 20;

struct Item {
  GroupCommit::Work work;
  GroupCommit::Done done;
  std::size_t bytes = 0;
  Status status;
};

Status RunOne(Database& database, Item& item) {
  MUSTER_RETURN_IF_ERROR(database.Prepare("SAVEPOINT item").Run());
  item.status = item.work(database);
  if (!item.status.ok()) {
    // SQLite undid the whole group by itself, for lack of room or a disk's error: that is why it failed.
    if (!database.in_transaction()) return item.status;
    MUSTER_RETURN_IF_ERROR(database.Prepare("ROLLBACK TO item").Run());
  }
  return database.Prepare("RELEASE item").Run();
}

void CommitGroup(Database& database, std::vector<Item>& group,
                 const GroupCommit::Options& options) {
  const Status whole = database.Transact([&]() -> Status {
    for (Item& item : group) MUSTER_RETURN_IF_ERROR(RunOne(database, item));
    return Ok();
  });
  if (!whole.ok() && options.undone) options.undone();
  for (Item& item : group) item.done(whole.ok() ? item.status : whole);
  if (whole.ok() && options.committed) options.committed(database);
}

}  // namespace

struct GroupCommit::Impl {
  Impl(Database owned, Options chosen) : database(std::move(owned)), options(std::move(chosen)) {}

  void Loop() {
    std::vector<Item> group;
    for (;;) {
      group.clear();
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        std::size_t bytes = 0;
        while (!queue.empty() && group.size() < kMostInACommit && bytes < kMostBytesInACommit) {
          bytes += queue.front().bytes;
          group.push_back(std::move(queue.front()));
          queue.pop_front();
        }
        queued_bytes -= bytes;
      }
      CommitGroup(database, group, options);
    }
  }

  /// False when too much waits. The writer itself is never refused: it would wait for itself.
  bool Push(Item& item) {
    const std::lock_guard lock(mutex);
    const bool full = queue.size() >= options.most_queued ||
                      (queued_bytes > 0 && queued_bytes + item.bytes > options.most_queued_bytes);
    if (full && std::this_thread::get_id() != thread.get_id()) return false;
    queued_bytes += item.bytes;
    queue.push_back(std::move(item));
    return true;
  }

  Database database;  // the thread's own
  const Options options;
  std::mutex mutex;  // guards queue, queued_bytes and stopping
  std::condition_variable wake;
  std::deque<Item> queue;
  std::size_t queued_bytes = 0;
  bool stopping = false;
  std::thread thread;
};

GroupCommit::GroupCommit(Database database, Options options)
    : impl_(std::make_unique<Impl>(std::move(database), std::move(options))) {
  impl_->thread = std::thread([this] { impl_->Loop(); });
}

GroupCommit::~GroupCommit() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

void GroupCommit::Write(Work work, Done done, std::size_t bytes) {
  Item item{std::move(work), std::move(done), bytes, {}};
  if (!impl_->Push(item)) {
    return item.done(Unavailable("too many writes wait for the disk already; try again later"));
  }
  impl_->wake.notify_one();
}

Status GroupCommit::WriteAndWait(Work work) {
  std::promise<Status> finished;
  Write(std::move(work), [&](Status status) { finished.set_value(std::move(status)); });
  return finished.get_future().get();
}

}  // namespace muster::sqlite
