#include "runtime/sqlite/group_commit.h"

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

namespace muster::sqlite {
namespace {

/// Bounds how long one commit, and so one acknowledgement, can take.
constexpr std::size_t kMostInACommit = 10'000;

struct Item {
  GroupCommit::Work work;
  GroupCommit::Done done;
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

void CommitGroup(Database& database, std::vector<Item>& group) {
  const Status whole = database.Transact([&]() -> Status {
    for (Item& item : group) MUSTER_RETURN_IF_ERROR(RunOne(database, item));
    return Ok();
  });
  for (Item& item : group) item.done(whole.ok() ? item.status : whole);
}

}  // namespace

struct GroupCommit::Impl {
  Impl(Database owned, std::size_t most) : database(std::move(owned)), most_queued(most) {}

  void Loop() {
    std::vector<Item> group;
    for (;;) {
      group.clear();
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        while (!queue.empty() && group.size() < kMostInACommit) {
          group.push_back(std::move(queue.front()));
          queue.pop_front();
        }
      }
      room.notify_all();
      CommitGroup(database, group);
    }
  }

  Database database;  // the thread's own
  const std::size_t most_queued;
  std::mutex mutex;  // guards queue and stopping
  std::condition_variable wake, room;
  std::deque<Item> queue;
  bool stopping = false;
  std::thread thread;
};

GroupCommit::GroupCommit(Database database, std::size_t most_queued)
    : impl_(std::make_unique<Impl>(std::move(database), most_queued)) {
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

void GroupCommit::Write(Work work, Done done) {
  {
    std::unique_lock lock(impl_->mutex);
    // The writer itself must not wait for room that only it makes.
    if (std::this_thread::get_id() != impl_->thread.get_id()) {
      impl_->room.wait(lock, [&] { return impl_->queue.size() < impl_->most_queued; });
    }
    impl_->queue.push_back({std::move(work), std::move(done), {}});
  }
  impl_->wake.notify_one();
}

Status GroupCommit::WriteAndWait(Work work) {
  std::promise<Status> finished;
  Write(std::move(work), [&](Status status) { finished.set_value(std::move(status)); });
  return finished.get_future().get();
}

}  // namespace muster::sqlite
