#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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
  /// "GPU-...", and "0000:3b:00.0"; empty when it cannot tell.
  [[nodiscard]] std::string Uuid(std::size_t device) const;
  [[nodiscard]] std::string PciAddress(std::size_t device) const;
  /// Of a part of a device, by its UUID ("MIG-..."); nothing when there is no such part.
  [[nodiscard]] std::optional<std::int64_t> PartMemoryBytes(const std::string& uuid) const;
  /// "580.159.03"; empty when it cannot tell.
  [[nodiscard]] std::string DriverVersion() const;
  [[nodiscard]] std::string DeviceModel(std::size_t device) const;  ///< "NVIDIA H100 80GB HBM3"
  /// What the device knows that is newer than `after_us`; nothing of one that cannot tell (MIG, before Maxwell).
  [[nodiscard]] std::vector<ProcessSample> SamplesAfter(std::size_t device,
                                                        unsigned long long after_us) const;

 private:
  struct Driver;
  explicit Nvml(std::unique_ptr<Driver> driver);
  std::unique_ptr<Driver> driver_;
};

}  // namespace muster::cluster::local
