#pragma once

#include "trainer/shm/backend.h"
#include "trainer/shm/job.h"

namespace c10d {
class Store;
}

/// From a job to a backend: the ranks of one machine, whoever launched them. MPI is never started.

namespace muster::trainer::shm {

struct JoinOptions {
  Job job;
  BackendOptions backend;
  std::chrono::milliseconds timeout = std::chrono::minutes(2);  ///< for all ranks to come
};

/// Meets the others under the job's name (rendezvous.h); where it has none, under one that they agree on
/// through a c10d::TCPStore at the master's address, kept by rank 0 or torchrun. Errors as of Meet;
/// kUnsupported also, on every rank, when they are on more than one machine.
Result<c10::intrusive_ptr<c10d::Backend>> JoinMachine(const JoinOptions& options);

/// A name that no other job has, the same on every rank. Each store (or prefix of one) serves once. Errors as
/// above; the store's own are kUnavailable.
Result<std::string> AgreeOnName(c10d::Store& store, const RankInfo& rank,
                                std::chrono::milliseconds timeout);

}  // namespace muster::trainer::shm
