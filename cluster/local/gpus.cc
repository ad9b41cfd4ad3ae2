#include "cluster/local/gpus.h"

#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>

#include "cluster/local/visible_devices.h"

namespace muster::cluster::local {
namespace {

constexpr std::size_t kMostGpus = 1'024;

std::optional<std::size_t> NumberOf(const std::string& name) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

/// The device that a name stands for; nothing when the driver has no such one.
std::optional<Gpu> Find(const Nvml& nvml, const std::string& name) {
  if (const auto number = NumberOf(name)) {
    if (*number >= nvml.devices()) return std::nullopt;
    return Gpu{name, nvml.MemoryBytes(*number), nvml.PciAddress(*number)};
  }
  for (std::size_t device = 0; device < nvml.devices(); ++device) {
    if (nvml.Uuid(device).starts_with(name))
      return Gpu{name, nvml.MemoryBytes(device), nvml.PciAddress(device)};
  }
  const auto part = nvml.PartMemoryBytes(name);
  if (!part) return std::nullopt;
  return Gpu{name, *part, ""};
}

std::size_t DeviceFiles() {
  std::size_t count = 0;
  while (count < kMostGpus && std::filesystem::exists("/dev/nvidia" + std::to_string(count)))
    ++count;
  return count;
}

}  // namespace

std::vector<Gpu> VisibleGpus(const ReadVariable& environment, const std::string& nvml) {
  const auto driver = Nvml::Open(nvml);
  const std::string visible = environment("CUDA_VISIBLE_DEVICES");
  const std::size_t all = driver ? driver->devices() : DeviceFiles();
  std::vector<std::string> names = VisibleNames(visible);
  if (visible.empty()) {
    for (std::size_t device = 0; device < all; ++device) names.push_back(std::to_string(device));
  }
  const bool slurms =
      !environment("SLURM_STEP_GPUS").empty() || !environment("SLURM_JOB_GPUS").empty();
  std::vector<Gpu> gpus;
  for (const std::string& name : names) {
    std::optional<Gpu> found;
    if (driver) {
      found = Find(*driver, name);
    } else if (slurms || (all > 0 && NumberOf(name).value_or(0) < all)) {
      found = Gpu{name, 0, ""};
    }
    if (!found) break;
    gpus.push_back(*std::move(found));
  }
  return gpus;
}

}  // namespace muster::cluster::local
