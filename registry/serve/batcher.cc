#include "registry/serve/batcher.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "registry/serve/batch.h"

namespace muster::registry::serve {

/// What the batcher and its threads share.
class Batcher::Queue {
 public:
  Queue(std::shared_ptr<InferenceModel> model, const BatchOptions& options, const Clock& clock)
      : model_(std::move(model)),
        options_(options),
        clock_(clock),
        joins_(options.rows > 1 && TakesRows(*model_)) {}

  bool Add(std::vector<Tensor> inputs, std::optional<MonotonicTime> deadline, Answer answer) {
    const std::int64_t rows = RowsOf(inputs).value_or(1);
    {
      const std::lock_guard lock(mutex_);
      if (requests_.size() >= options_.queue) return false;
      requests_.push_back({std::move(inputs), rows, clock_.Now(), deadline, std::move(answer)});
    }
    more_.notify_one();
    return true;
  }
  void Hurry() {
    {
      const std::lock_guard lock(mutex_);
      hurry_ = true;
    }
    more_.notify_all();
  }
  void End() {
    {
      const std::lock_guard lock(mutex_);
      hurry_ = ending_ = true;
    }
    more_.notify_all();
  }
  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return requests_.size();
  }
  void Run() {
    for (;;) {
      std::vector<Request> batch = Take();
      if (batch.empty()) return;
      batch = Timely(std::move(batch));
      if (!batch.empty()) Compute(std::move(batch));
    }
  }

 private:
  struct Request {
    std::vector<Tensor> inputs;
    std::int64_t rows = 1;
    MonotonicTime came;
    std::optional<MonotonicTime> deadline;
    Answer answer;
  };

  /// How many of the front make one call; `mutex_` is held.
  [[nodiscard]] std::size_t Fitting() const {
    if (requests_.empty()) return 0;
    std::size_t count = 1;
    std::int64_t rows = requests_.front().rows;
    while (joins_ && count < requests_.size()) {
      const Request& next = requests_[count];
      if (rows + next.rows > options_.rows || !CanJoin(requests_.front().inputs, next.inputs))
        break;
      rows += next.rows;
      ++count;
    }
    return count;
  }
  [[nodiscard]] bool Full() const {
    std::int64_t rows = 0;
    for (const Request& request : requests_) rows += request.rows;
    return rows >= options_.rows;
  }

  /// Waits for the requests of a call. Empty: the end.
  std::vector<Request> Take() {
    std::unique_lock lock(mutex_);
    for (;;) {
      more_.wait(lock, [&] { return ending_ || !requests_.empty(); });
      if (requests_.empty()) return {};
      if (joins_ && options_.delay.count() > 0) {
        // Another thread may take them meanwhile.
        more_.wait_until(lock, requests_.front().came + options_.delay,
                         [&] { return hurry_ || requests_.empty() || Full(); });
      }
      const auto count = static_cast<std::ptrdiff_t>(Fitting());
      if (count == 0) continue;
      const auto end = requests_.begin() + count;
      std::vector<Request> batch(std::move_iterator(requests_.begin()), std::move_iterator(end));
      requests_.erase(requests_.begin(), end);
      return batch;
    }
  }

  std::vector<Request> Timely(std::vector<Request> batch) {
    const MonotonicTime now = clock_.Now();
    std::vector<Request> timely;
    for (Request& request : batch) {
      if (!request.deadline || *request.deadline >= now) {
        timely.push_back(std::move(request));
        continue;
      }
      const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(now - request.came);
      request.answer(Unavailable("the deadline passed after " + std::to_string(waited.count()) +
                                 " ms in the queue"),
                     Execution{});
    }
    return timely;
  }

  void Compute(std::vector<Request> batch) {
    if (batch.size() == 1) return ComputeAlone(batch[0]);
    std::vector<const std::vector<Tensor>*> requests;
    std::vector<std::int64_t> rows;
    Execution execution;
    for (const Request& request : batch) {
      requests.push_back(&request.inputs);
      rows.push_back(request.rows);
      execution.rows += request.rows;
    }
    const MonotonicTime taken = clock_.Now();
    auto answers = InferTogether(requests, rows, execution.times);
    if (!answers.ok()) {
      for (Request& request : batch) ComputeAlone(request);
      return;
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      execution.first = i == 0;
      execution.times.queue = taken - batch[i].came;
      execution.inputs = &batch[i].inputs;
      batch[i].answer(std::move((*answers)[i]), execution);
    }
  }
  void ComputeAlone(Request& request) {
    const MonotonicTime taken = clock_.Now();
    Execution execution{.rows = request.rows, .first = true, .inputs = &request.inputs};
    execution.times.queue = taken - request.came;
    auto outputs = model_->Infer(request.inputs);
    execution.times.infer = clock_.Now() - taken;
    request.answer(std::move(outputs), execution);
  }
  Result<std::vector<std::vector<Tensor>>> InferTogether(
      const std::vector<const std::vector<Tensor>*>& requests,
      const std::vector<std::int64_t>& rows, RequestTimes& times) {
    const MonotonicTime taken = clock_.Now();
    const std::vector<Tensor> joined = Join(requests);
    const MonotonicTime begun = clock_.Now();
    MUSTER_ASSIGN_OR_RETURN(const auto outputs, model_->Infer(joined));
    const MonotonicTime ended = clock_.Now();
    auto answers = Split(outputs, rows);
    times.input = begun - taken;
    times.infer = ended - begun;
    times.output = clock_.Now() - ended;
    return answers;
  }

  const std::shared_ptr<InferenceModel> model_;
  const BatchOptions options_;
  const Clock& clock_;
  const bool joins_;
  std::mutex mutex_;  ///< guards what follows
  std::condition_variable more_;
  std::deque<Request> requests_;
  bool hurry_ = false, ending_ = false;
};

Batcher::Batcher(std::shared_ptr<InferenceModel> model, const BatchOptions& options,
                 const Clock& clock)
    : queue_(std::make_shared<Queue>(std::move(model), options, clock)) {
  for (int i = 0; i < std::max(1, options.instances); ++i) {
    threads_.emplace_back([queue = queue_] { queue->Run(); });
  }
}

Batcher::~Batcher() {
  queue_->End();
  for (std::thread& thread : threads_) {
    // An answer may hold what holds the batcher.
    thread.get_id() == std::this_thread::get_id() ? thread.detach() : thread.join();
  }
}

bool Batcher::Infer(std::vector<Tensor> inputs, std::optional<MonotonicTime> deadline,
                    Answer answer) {
  const std::shared_ptr<Queue> queue = queue_;  // the answer may drop this before Add returns
  return queue->Add(std::move(inputs), deadline, std::move(answer));
}

void Batcher::Hurry() { queue_->Hurry(); }

std::size_t Batcher::waiting() const { return queue_->size(); }

}  // namespace muster::registry::serve
