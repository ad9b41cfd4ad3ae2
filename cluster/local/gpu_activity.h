#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster/local/nvml.h"
#include "runtime/base/clock.h"

namespace muster::cluster::local {

/// How busy processes keep the node's GPUs, as NVIDIA's driver tells (nvml.h, nvmlDeviceGetProcessUtilization). A
/// kernel that spins, as those of a collective that waits, is busy, too. Devices that cannot tell count as idle, and
/// so do processes of another pid namespace. One thread.
class GpuActivity {
 public:
  /// Null where there is no such library, or no device.
  static std::unique_ptr<GpuActivity> Open(const std::string& library = "libnvidia-ml.so.1");
  /// Asks every device what its processes did since the last call; about once a second. After more than a minute it
  /// starts anew.
  void Look(MonotonicTime now);
  /// Time for which it kept a device's multiprocessors busy since it was first seen, all devices together, in ms: half
  /// a second at 40 % are 200. On a device that is busy all the time the queue for it counts, too: processes take
  /// turns there, so one's share times their number. A process that is not seen for a minute is forgotten.
  [[nodiscard]] std::int64_t BusyMs(pid_t pid) const;

 private:
  explicit GpuActivity(std::unique_ptr<Nvml> driver);

  struct Process {
    double busy_ms = 0;
    MonotonicTime seen;
  };
  struct Device {
    unsigned long long newest_us = 0;      ///< the time of its newest sample
    std::map<pid_t, MonotonicTime> users;  ///< and when each was seen last, of late
  };
  void LookAt(std::size_t index, std::chrono::duration<double, std::milli> passed);

  std::unique_ptr<Nvml> driver_;
  std::vector<Device> devices_;
  MonotonicTime looked_{};
  std::map<pid_t, Process> processes_;
};

}  // namespace muster::cluster::local
