#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "trainer/mpi/backend.h"
#include "trainer/shm/join.h"

/// usage: mpirun -n RANKS allreduce_bench shm|mpi BYTES...
/// Rank 0 prints for each size the median and the shortest time of an all-reduce, in microseconds.

namespace {

using Clock = std::chrono::steady_clock;
using Backend = c10::intrusive_ptr<c10d::Backend>;

muster::Result<Backend> Join(const char* which) {
  if (std::strcmp(which, "mpi") == 0) return muster::trainer::mpi::JoinWorld();
  const auto job = muster::trainer::shm::FindJob([](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  });
  if (!job) return muster::Invalid("not a rank of a job");
  return muster::trainer::shm::JoinMachine({.job = *job});
}

void Measure(const Backend& backend, std::int64_t bytes) {
  std::vector<at::Tensor> tensors{at::ones({bytes / 4}, at::kFloat)};
  const auto repetitions = std::clamp<std::int64_t>((std::int64_t{1} << 30) / bytes, 15, 1000);
  std::vector<double> times;
  for (std::int64_t i = 0; i < repetitions + 5; ++i) {
    backend->barrier({})->wait();
    tensors[0].fill_(1);
    backend->barrier({})->wait();
    const auto start = Clock::now();
    backend->allreduce(tensors, {})->wait();
    const std::chrono::duration<double, std::micro> took = Clock::now() - start;
    if (i >= 5) times.push_back(took.count());
  }
  std::ranges::sort(times);
  if (backend->getRank() != 0) return;
  std::printf("%ld %.2f %.2f\n", static_cast<long>(bytes), times[times.size() / 2], times[0]);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  at::set_num_threads(1);
  if (argc < 3) return 2;
  const auto backend = Join(argv[1]);
  if (!backend.ok()) {
    std::fprintf(stderr, "%s\n", backend.error().message.c_str());
    return 1;
  }
  for (int i = 2; i < argc; ++i) Measure(*backend, std::atoll(argv[i]));
  return 0;
}
