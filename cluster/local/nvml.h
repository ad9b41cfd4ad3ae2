#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace muster::cluster::local {

/// NVIDIA's driver library (NVML), which is looked for at run time: the few calls that muster needs
/// (https://docs.nvidia.com/deploy/nvml-api). Devices are numbered by their place on the PCI bus, as CUDA numbers
/// them with CUDA_DEVICE_ORDER=PCI_BUS_ID. One thread.
class Nvml {
 public:
  /// What a process did to a device in a driver's period of a fraction of a second; the layout is NVML's.
  struct ProcessSample {
    unsigned int pid;
    unsigned long long timestamp_us;
    unsigned int sm_percent, memory_percent, encoder_percent, decoder_percent;
  };

  /// Null where there is no such library, or no device. Where no program holds the device, this wakes it up.
  static std::unique_ptr<Nvml> Open(const std::string& library = "libnvidia-ml.so.1");
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  [[nodiscard]] std::size_t devices() const;
  /// All of the device's memory; 0 when it cannot tell.
  [[nodiscard]] std::int64_t MemoryBytes(std::size_t device) const;
  /// What the device knows that is newer than `after_us`; nothing of one that cannot tell (MIG, before Maxwell).
  [[nodiscard]] std::vector<ProcessSample> SamplesAfter(std::size_t device,
                                                        unsigned long long after_us) const;

 private:
  struct Driver;
  explicit Nvml(std::unique_ptr<Driver> driver);
  std::unique_ptr<Driver> driver_;
};

}  // namespace muster::cluster::local
