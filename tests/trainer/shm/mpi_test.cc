#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "tests/trainer/shm/tiny_training.h"
#include "trainer/mpi/backend.h"
#include "trainer/shm/join.h"

/// Run by mpirun on two ranks, which find each other by what mpirun sets. With --without-mpi MPI is never
/// started.

namespace muster::trainer {
namespace {

const Gang* over_shm = nullptr;

// A sum of two is the same in either order, so two ranks agree bit for bit.
TEST(Training, OverSharedMemory_SameBitsAsOverMpi) {
  auto backend = mpi::JoinWorld();
  ASSERT_TRUE(backend.ok()) << backend.error().message;
  const Gang over_mpi(std::move(backend).value());
  EXPECT_EQ(over_mpi.rank(), over_shm->rank());
  EXPECT_TRUE(SameWeights(TrainTiny(*over_shm, at::kCPU), TrainTiny(over_mpi, at::kCPU)));
}

}  // namespace
}  // namespace muster::trainer

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  at::set_num_threads(1);
  const auto job = muster::trainer::shm::FindJob([](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  });
  if (!job || !job->one_machine || job->name.empty()) {
    std::fprintf(stderr, "wanted: mpirun -n 2 ...\n");
    return 1;
  }
  auto backend = muster::trainer::shm::JoinMachine({.job = *job});
  if (!backend.ok()) {
    std::fprintf(stderr, "%s\n", backend.error().message.c_str());
    return 1;
  }
  const muster::trainer::Gang gang(std::move(backend).value());
  if (argc > 1 && std::strcmp(argv[1], "--without-mpi") == 0) {
    std::vector<double> values{1};
    gang.Sum(values);
    return values[0] == 2 ? 0 : 1;
  }
  muster::trainer::over_shm = &gang;
  return RUN_ALL_TESTS();
}
