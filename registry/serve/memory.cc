#include "registry/serve/memory.h"

#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include <fstream>

namespace muster::registry::serve {

std::uint64_t ResidentBytes() {
  std::uint64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::int64_t CpuMilliseconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::int64_t{used.tv_sec} * 1'000 + used.tv_nsec / 1'000'000;
}

void MapLargeBlocks() {
  constexpr int kLarge = 1 << 20;  // set, glibc adapts it no more
  ::mallopt(M_MMAP_THRESHOLD, kLarge);
}

void ReturnFreeMemory() { ::malloc_trim(0); }

}  // namespace muster::registry::serve
