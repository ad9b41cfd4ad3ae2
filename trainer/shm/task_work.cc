#include "trainer/shm/task_work.h"

#include <ATen/core/ivalue.h>

#include <stdexcept>
#include <utility>

namespace muster::trainer::shm {
namespace {

using c10::ivalue::Future;
using Tensors = std::vector<at::Tensor>;

/// A future records on which devices its value is.
std::vector<c10::Device> DevicesOf(const Tensors& tensors) {
  std::vector<c10::Device> devices;
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.is_cpu()) devices.push_back(tensor.device());
  }
  return devices;
}

class TaskWork final : public c10d::Work {
 public:
  TaskWork(int rank, c10d::OpType type, Tensors inputs, Tensors outputs,
           std::shared_ptr<CommThread> thread, std::shared_ptr<Task> task)
      : Work(rank, type),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)),
        future_(c10::make_intrusive<Future>(c10::ListType::create(c10::TensorType::get()),
                                            DevicesOf(outputs_))),
        thread_(std::move(thread)),
        task_(std::move(task)) {}

  void Complete(const Status& status) {
    if (status.ok()) {
      finish();
      future_->markCompleted(c10::IValue(outputs_));
      return;
    }
    const auto why = std::make_exception_ptr(std::runtime_error(status.error().message));
    finish(why);
    future_->setError(why);
  }
  bool wait(std::chrono::milliseconds timeout) override {
    if (timeout == kNoTimeout) thread_->Finish(*task_);
    return Work::wait(timeout);
  }
  c10::intrusive_ptr<Future> getFuture() override { return future_; }
  Tensors result() override { return outputs_; }

 private:
  Tensors inputs_;  ///< kept alive
  Tensors outputs_;
  c10::intrusive_ptr<Future> future_;
  std::shared_ptr<CommThread> thread_;
  std::shared_ptr<Task> task_;
};

}  // namespace

c10::intrusive_ptr<c10d::Work> QueueWork(const std::shared_ptr<CommThread>& thread, int rank,
                                         c10d::OpType type, Tensors inputs, Tensors outputs,
                                         std::function<Status(bool spin)> run) {
  auto task = std::make_shared<Task>();
  auto work = c10::make_intrusive<TaskWork>(rank, type, std::move(inputs), std::move(outputs),
                                            thread, task);
  task->run = std::move(run);
  task->done = [work](const Status& status) { work->Complete(status); };
  thread->Queue(std::move(task));
  return work;
}

}  // namespace muster::trainer::shm
