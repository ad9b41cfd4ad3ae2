#pragma once

#include <c10/util/intrusive_ptr.h>

#include <torch/csrc/distributed/c10d/Work.hpp>

#include "trainer/shm/comm_thread.h"

namespace muster::trainer::shm {

/// Queues `run` and answers its handle, which keeps the tensors alive. The handle's future ends with
/// `outputs`, or throws the status as a std::runtime_error. wait() without a time limit may run what is
/// queued on its caller's thread.
c10::intrusive_ptr<c10d::Work> QueueWork(const std::shared_ptr<CommThread>& thread, int rank,
                                         c10d::OpType type, std::vector<at::Tensor> inputs,
                                         std::vector<at::Tensor> outputs,
                                         std::function<Status(bool spin)> run);

}  // namespace muster::trainer::shm
