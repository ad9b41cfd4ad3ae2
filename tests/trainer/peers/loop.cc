#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "trainer/mpi/backend.h"
#include "trainer/peers/watch.h"
#include "trainer/torch/gang.h"

/// One rank that all-reduces 4 MB again and again until a rank is lost. Started by mpirun:
///
///   trainer_peers_loop SILENCE_MS
///
/// Like a trial it takes SIGTERM, which mpirun sends to those who are left, for a wish to be granted later.

namespace {

using namespace muster::trainer;

int Run(std::chrono::milliseconds silence) {
  RankProgress progress;
  std::unique_ptr<peers::Watch> watch;  // outlives the gang: ending MPI waits for the others too
  auto backend = mpi::JoinWorld({.progress = &progress});
  if (!backend.ok()) {
    std::fprintf(stderr, "%s\n", backend.error().message.c_str());
    return 1;
  }
  const Gang gang(std::move(*backend));
  auto started = peers::Watch::Start(
      {.rank = gang.rank(),
       .all_gather = [&](const std::string& text) { return gang.AllGather(text); },
       .state = [&] { return progress.Read(); },
       .limits = {.silence = silence}});
  if (!started.ok()) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return 1;
  }
  watch = std::move(*started);
  std::vector<at::Tensor> tensors{at::ones({1 << 20})};
  progress.Enter("reduce", 0);
  for (std::int64_t step = 1;; ++step) {
    gang.process_group()->allreduce(tensors)->wait();
    progress.Enter("reduce", step);
    if (step == 3) {
      std::printf("ready\n");
      std::fflush(stdout);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGTERM, [](int) {});
  at::set_num_threads(1);
  return Run(std::chrono::milliseconds(argc > 1 ? std::atoi(argv[1]) : 10'000));
}
