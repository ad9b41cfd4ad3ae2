#include "cluster/local/gpu_activity.h"

#include <dlfcn.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace muster::cluster::local {
namespace {

constexpr std::chrono::minutes kForgottenAfter(1);

// Of nvml.h, whose binary interface is stable.
using Device = struct nvmlDevice_st*;
struct ProcessSample {
  unsigned int pid;
  unsigned long long timestamp_us;
  unsigned int sm_percent, memory_percent, encoder_percent, decoder_percent;
};
constexpr int kSuccess = 0, kInsufficientSize = 7;

}  // namespace

struct GpuActivity::Driver {
  void* library = nullptr;
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*count)(unsigned int*) = nullptr;
  int (*handle)(unsigned int, Device*) = nullptr;
  int (*utilization)(Device, ProcessSample*, unsigned int*, unsigned long long) = nullptr;
  bool begun = false;
  std::vector<std::pair<Device, unsigned long long>> devices;  // and the newest sample's time

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
        !Find(utilization, "nvmlDeviceGetProcessUtilization")) {
      return false;
    }
    begun = init() == kSuccess;
    unsigned int number = 0;
    if (!begun || count(&number) != kSuccess) return false;
    for (unsigned int index = 0; index < number; ++index) {
      Device device = nullptr;
      if (handle(index, &device) == kSuccess) devices.emplace_back(device, 0);
    }
    return !devices.empty();
  }

  /// What the device knows that is newer than the last answer.
  std::vector<ProcessSample> Samples(std::pair<Device, unsigned long long>& device) const {
    unsigned int number = 0;
    if (utilization(device.first, nullptr, &number, device.second) != kInsufficientSize) return {};
    std::vector<ProcessSample> samples(number);
    if (utilization(device.first, samples.data(), &number, device.second) != kSuccess) return {};
    samples.resize(std::min<std::size_t>(number, samples.size()));
    for (const ProcessSample& sample : samples) {
      device.second = std::max(device.second, sample.timestamp_us);
    }
    return samples;
  }
};

std::unique_ptr<GpuActivity> GpuActivity::Open(const std::string& library) {
  auto driver = std::make_unique<Driver>();
  if (!driver->Open(library)) return nullptr;
  return std::unique_ptr<GpuActivity>(new GpuActivity(std::move(driver)));
}

GpuActivity::GpuActivity(std::unique_ptr<Driver> driver) : driver_(std::move(driver)) {}
GpuActivity::~GpuActivity() = default;

void GpuActivity::Look(MonotonicTime now) {
  const bool first = looked_ == MonotonicTime{};
  const std::chrono::duration<double, std::milli> passed = now - std::exchange(looked_, now);
  for (auto& device : driver_->devices) {
    std::map<pid_t, unsigned int> percent;  // one of several samples: the busiest
    for (const ProcessSample& sample : driver_->Samples(device)) {
      auto& most = percent[static_cast<pid_t>(sample.pid)];
      most = std::max(most, std::min(sample.sm_percent, 100U));
    }
    for (const auto& [pid, most] : percent) {
      Process& process = processes_[pid];
      process.seen = now;
      if (!first) process.busy_ms += passed.count() * most / 100;
    }
  }
  std::erase_if(processes_,
                [&](const auto& entry) { return now - entry.second.seen > kForgottenAfter; });
}

std::int64_t GpuActivity::BusyMs(pid_t pid) const {
  const auto found = processes_.find(pid);
  return found == processes_.end() ? 0 : static_cast<std::int64_t>(found->second.busy_ms);
}

}  // namespace muster::cluster::local
