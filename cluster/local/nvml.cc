#include "cluster/local/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace muster::cluster::local {
namespace {

// Of nvml.h, whose binary interface is stable.
using Device = struct nvmlDevice_st*;
struct Memory {
  unsigned long long total, free, used;
};
struct PciInfo {
  std::array<char, 16> legacy;
  unsigned int domain, bus, device, ids, subsystem_ids;
  std::array<char, 32> address;
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
  // Those that an old driver may lack.
  int (*uuid)(Device, char*, unsigned int) = nullptr;
  int (*pci)(Device, PciInfo*) = nullptr;
  int (*by_uuid)(const char*, Device*) = nullptr;
  int (*model)(Device, char*, unsigned int) = nullptr;
  int (*version)(char*, unsigned int) = nullptr;
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
    Find(uuid, "nvmlDeviceGetUUID");
    Find(pci, "nvmlDeviceGetPciInfo_v3");
    Find(by_uuid, "nvmlDeviceGetHandleByUUID");
    Find(model, "nvmlDeviceGetName");
    Find(version, "nvmlSystemGetDriverVersion");
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

std::string Nvml::Uuid(std::size_t device) const {
  std::array<char, 96> text{};
  if (driver_->uuid == nullptr ||
      driver_->uuid(driver_->devices[device], text.data(), text.size()) != kSuccess) {
    return "";
  }
  return text.data();
}

std::string Nvml::PciAddress(std::size_t device) const {
  PciInfo info{};
  if (driver_->pci == nullptr || driver_->pci(driver_->devices[device], &info) != kSuccess)
    return "";
  // As the kernel writes it; NVML's own text has a domain of eight digits.
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04x:%02x:%02x.0", info.domain, info.bus, info.device);
  return text.data();
}

std::optional<std::int64_t> Nvml::PartMemoryBytes(const std::string& uuid) const {
  Device part = nullptr;
  Memory memory{};
  if (driver_->by_uuid == nullptr || driver_->by_uuid(uuid.c_str(), &part) != kSuccess ||
      driver_->memory(part, &memory) != kSuccess) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(memory.total);
}

std::string Nvml::DriverVersion() const {
  std::array<char, 96> text{};
  if (driver_->version == nullptr || driver_->version(text.data(), text.size()) != kSuccess)
    return "";
  return text.data();
}

std::string Nvml::DeviceModel(std::size_t device) const {
  std::array<char, 96> text{};
  if (driver_->model == nullptr ||
      driver_->model(driver_->devices[device], text.data(), text.size()) != kSuccess) {
    return "";
  }
  return text.data();
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
