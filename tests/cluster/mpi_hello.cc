// A gang over Open MPI: every rank adds one and prints the sum and what torchrun would have told it.
#include <mpi.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  int one = 1;
  int sum = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  std::printf("sum %d rank %s of %s\n", sum, std::getenv("RANK"), std::getenv("WORLD_SIZE"));
  std::fflush(stdout);
  const char* how = argc > 1 ? argv[1] : "";
  if (std::strcmp(how, "die") == 0 && rank == 1) raise(SIGSEGV);
  if (std::strcmp(how, "sleep") == 0) pause();
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Finalize();
  if (std::strcmp(how, "linger") == 0 && rank == 0) sleep(1);
  return std::strcmp(how, "resume") == 0 ? 75 : 0;
}
