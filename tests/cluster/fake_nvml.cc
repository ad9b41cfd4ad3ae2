// A driver's library of two devices, as far as cluster/local/nvml.h asks it. The second, of 40 GiB, cannot tell what
// processes do; the first, of 80 GiB, can.
// What processes do stands in the file that MUSTER_FAKE_NVML names, a line a sample: "pid time_us percent".
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>
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
struct PciInfo {
  char legacy[16];
  unsigned int domain, bus, device, ids, subsystem_ids;
  char address[32];
};
int devices[2], part;

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
  const unsigned long long size = device == &devices[0] ? 80 : device == &part ? 10 : 40;
  *memory = {.total = size << 30, .free = 0, .used = 0};
  return 0;
}
int nvmlDeviceGetUUID(void* device, char* text, unsigned int size) {
  std::snprintf(text, size, "GPU-%s-0000", device == &devices[0] ? "aaaa" : "bbbb");
  return 0;
}
// A part of 10 GiB of the first.
int nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  if (std::string_view(uuid) != "MIG-cccc") return 6;  // NVML_ERROR_NOT_FOUND
  *device = &part;
  return 0;
}
int nvmlDeviceGetPciInfo_v3(void* device, PciInfo* info) {
  *info = {.domain = 0, .bus = device == &devices[0] ? 0x3bU : 0xafU};
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
