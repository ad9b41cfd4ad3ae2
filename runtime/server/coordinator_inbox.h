#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <utility>

#include "runtime/coordinator/coordinator.h"
#include "runtime/server/coordinator_host.h"

/// What waits for the coordinator's thread. Private to coordinator_host.cc.

namespace muster::server {

inline Error Stopped() { return Unavailable("the coordinator has stopped"); }

/// Shared with the callbacks that ports keep, which may outlive the host.
struct CoordinatorInbox {
  /// Inputs that wait; beyond it people are refused and nodes' messages are lost, as on any network. Answers
  /// to the coordinator and metrics that the tracker acknowledged wait all the same.
  static constexpr std::size_t kMostWaiting = 100'000;

  using Question = std::function<Result<boost::json::value>(const coordinator::Coordinator&,
                                                            MonotonicTime, UnixMillis)>;
  struct Item {
    coordinator::Input input;
    CoordinatorHost::Reply reply;
  };
  struct Asked {
    Question question;
    std::promise<Result<boost::json::value>> answer;
  };

  std::mutex mutex;  // guards what follows
  std::condition_variable wake;
  std::deque<Item> items;
  std::deque<Asked> questions;
  std::deque<Status> committed;  ///< of turns, in their order
  bool closed = false;

  /// `must`: what was acknowledged, or answers something of ours; no bound may drop it. Without `notify` it
  /// waits for the next tick or whatever comes before.
  void Post(coordinator::Input input, CoordinatorHost::Reply reply, bool must, bool notify = true) {
    Error refused;
    {
      const std::lock_guard lock(mutex);
      if (!closed && (must || items.size() < kMostWaiting)) {
        items.push_back({std::move(input), std::move(reply)});
        if (notify) wake.notify_one();
        return;
      }
      refused = closed ? Stopped()
                       : ResourceExhausted("the coordinator has " + std::to_string(kMostWaiting) +
                                           " requests waiting; try again");
    }
    if (reply) reply(std::move(refused));
  }

  std::future<Result<boost::json::value>> Ask(Question question) {
    Asked asked{std::move(question), {}};
    auto answer = asked.answer.get_future();
    const std::lock_guard lock(mutex);
    if (closed) {
      asked.answer.set_value(Stopped());
    } else {
      questions.push_back(std::move(asked));
      wake.notify_one();
    }
    return answer;
  }

  void NoteCommit(Status status) {
    const std::lock_guard lock(mutex);
    committed.push_back(std::move(status));
    wake.notify_one();
  }

  /// Nothing is taken any more; what waits gets `why`.
  void Close(const Error& why) {
    std::deque<Item> left;
    std::deque<Asked> unanswered;
    {
      const std::lock_guard lock(mutex);
      closed = true;
      left.swap(items);
      unanswered.swap(questions);
    }
    for (Item& item : left) {
      if (item.reply) item.reply(why);
    }
    for (Asked& asked : unanswered) asked.answer.set_value(why);
  }
};

}  // namespace muster::server
