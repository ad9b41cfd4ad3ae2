// A driver's library of two devices, as far as cluster/local/nvml.h asks it. The second, of 40 GiB, cannot tell what
// processes do; the first, of 80 GiB, can.
// What processes do stands in the file that MUSTER_FAKE_NVML names, a line a sample: "pid time_us percent".
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <vector>

namespace {

struct Sample {
  unsigned int pid;
  unsigned long long time_us;
  unsigned int sm, memory, encoder, decoder;
};
struct Memory {
  unsigned long long total, free, used;
};
int devices[2];

}  // namespace

extern "C" {
int nvmlInit_v2() { return 0; }
int nvmlShutdown() { return 0; }
int nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = 2;
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** device) {
  *device = &devices[index];
  return 0;
}
int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  *memory = {.total = (device == &devices[0] ? 80ULL : 40ULL) << 30, .free = 0, .used = 0};
  return 0;
}
int nvmlDeviceGetProcessUtilization(void* device, Sample* samples, unsigned int* count,
                                    unsigned long long after) {
  if (device == &devices[1]) return 3;  // NVML_ERROR_NOT_SUPPORTED
  constexpr unsigned int kRoom = 72;    // however many there are: as driver 580 does
  if (samples == nullptr || *count < kRoom) {
    *count = kRoom;
    return 7;  // NVML_ERROR_INSUFFICIENT_SIZE
  }
  std::vector<Sample> known;
  const char* name = std::getenv("MUSTER_FAKE_NVML");
  std::ifstream file(name == nullptr ? "" : name);
  for (Sample one{}; file >> one.pid >> one.time_us >> one.sm;) {
    if (one.time_us > after) known.push_back(one);
  }
  const auto given = static_cast<unsigned int>(std::min<std::size_t>(known.size(), kRoom));
  if (given == 0) return 6;  // NVML_ERROR_NOT_FOUND
  for (unsigned int i = 0; i < given; ++i) samples[i] = known[i];
  *count = given;
  return 0;
}
}
