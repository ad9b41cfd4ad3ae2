#include "cluster/local/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <utility>

namespace muster::cluster::local {
namespace {

// Of nvml.h, whose binary interface is stable.
using Device = struct nvmlDevice_st*;
struct Memory {
  unsigned long long total, free, used;
};
constexpr int kSuccess = 0, kInsufficientSize = 7;

}  // namespace

struct Nvml::Driver {
  void* library = nullptr;
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*count)(unsigned int*) = nullptr;
  int (*handle)(unsigned int, Device*) = nullptr;
  int (*memory)(Device, Memory*) = nullptr;
  int (*utilization)(Device, ProcessSample*, unsigned int*, unsigned long long) = nullptr;
  bool begun = false;
  std::vector<Device> devices;

  ~Driver() {
    if (begun) shutdown();
    if (library != nullptr) dlclose(library);
  }

  template <typename Function>
  bool Find(Function& function, const char* symbol) {
    function = reinterpret_cast<Function>(dlsym(library, symbol));
    return function != nullptr;
  }

  bool Open(const std::string& name) {
    library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr || !Find(init, "nvmlInit_v2") || !Find(shutdown, "nvmlShutdown") ||
        !Find(count, "nvmlDeviceGetCount_v2") || !Find(handle, "nvmlDeviceGetHandleByIndex_v2") ||
        !Find(memory, "nvmlDeviceGetMemoryInfo") ||
        !Find(utilization, "nvmlDeviceGetProcessUtilization")) {
      return false;
    }
    begun = init() == kSuccess;
    unsigned int number = 0;
    if (!begun || count(&number) != kSuccess) return false;
    for (unsigned int index = 0; index < number; ++index) {
      Device device = nullptr;
      if (handle(index, &device) == kSuccess) devices.push_back(device);
    }
    return !devices.empty();
  }
};

std::unique_ptr<Nvml> Nvml::Open(const std::string& library) {
  auto driver = std::make_unique<Driver>();
  if (!driver->Open(library)) return nullptr;
  return std::unique_ptr<Nvml>(new Nvml(std::move(driver)));
}

Nvml::Nvml(std::unique_ptr<Driver> driver) : driver_(std::move(driver)) {}
Nvml::~Nvml() = default;

std::size_t Nvml::devices() const { return driver_->devices.size(); }

std::int64_t Nvml::MemoryBytes(std::size_t device) const {
  Memory memory{};
  if (driver_->memory(driver_->devices[device], &memory) != kSuccess) return 0;
  return static_cast<std::int64_t>(memory.total);
}

std::vector<Nvml::ProcessSample> Nvml::SamplesAfter(std::size_t device,
                                                    unsigned long long after_us) const {
  unsigned int number = 0;
  const Device asked = driver_->devices[device];
  if (driver_->utilization(asked, nullptr, &number, after_us) != kInsufficientSize) return {};
  std::vector<ProcessSample> samples(number);
  if (driver_->utilization(asked, samples.data(), &number, after_us) != kSuccess) return {};
  samples.resize(std::min<std::size_t>(number, samples.size()));
  return samples;
}

}  // namespace muster::cluster::local
