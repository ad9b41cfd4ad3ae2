#pragma once

#include <functional>
#include <future>
#include <utility>

namespace muster::tracker {

/// Makes a call that answers through a callback, and waits for its answer.
template <typename Answer, typename Call>
Answer WaitFor(Call call) {
  std::promise<Answer> promise;
  call(std::function<void(Answer)>(
      [&promise](Answer answer) { promise.set_value(std::move(answer)); }));
  return promise.get_future().get();
}

}  // namespace muster::tracker
