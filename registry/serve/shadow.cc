#include "registry/serve/shadow.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "registry/serve/batch.h"
#include "registry/serve/rate_json.h"

namespace muster::registry::serve {
namespace {

/// So that it takes what the requests leave.
constexpr int kNice = 10;

}  // namespace

Shadow::Shadow(std::shared_ptr<InferenceModel> model, const ShadowOptions& options,
               const Clock& clock)
    : model_(std::move(model)),
      options_(options),
      clock_(clock),
      difference_(options.tolerance),
      thread_([this] { Run(); }) {}

Shadow::~Shadow() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  more_.notify_all();
  thread_.join();
}

bool Shadow::HasRoom() {
  const std::lock_guard lock(mutex_);
  if (copies_.size() < options_.queue) return true;
  ++dropped_;
  return false;
}

void Shadow::Add(std::vector<Tensor> inputs, std::vector<Tensor> outputs) {
  {
    const std::lock_guard lock(mutex_);
    copies_.push_back({std::move(inputs), std::move(outputs)});
  }
  more_.notify_one();
}

void Shadow::Run() {
  // Linux keeps the value for each thread.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [&] { return stopping_ || !copies_.empty(); });
    if (stopping_) return;
    const Copy copy = std::move(copies_.front());
    copies_.pop_front();
    lock.unlock();
    Compare(copy);
    lock.lock();
  }
}

void Shadow::Compare(const Copy& copy) {
  const MonotonicTime start = clock_.Now();
  const auto outputs = model_->Infer(copy.inputs);
  const std::chrono::duration<double, std::milli> took = clock_.Now() - start;
  const std::lock_guard lock(mutex_);
  ++compared_;
  sum_ms_ += took.count();
  if (outputs.ok()) return difference_.Add(copy.outputs, *outputs);
  ++failed_;
  difference_.AddFailure(RowsOf(copy.inputs).value_or(1));
}

boost::json::object Shadow::Describe() const {
  const std::lock_guard lock(mutex_);
  const auto figures = difference_.figures();
  return {{"compared", compared_},
          {"dropped", dropped_},
          {"failed", failed_},
          {"waiting", copies_.size()},
          {"same", RateJson(figures.same, figures.same_interval)},
          {"same_largest", RateJson(figures.largest, figures.largest_interval)},
          {"mean_difference", figures.mean_difference},
          {"max_difference", figures.max_difference},
          {"mean_ms", compared_ == 0 ? 0 : sum_ms_ / static_cast<double>(compared_)}};
}

}  // namespace muster::registry::serve
