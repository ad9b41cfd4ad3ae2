#include "cluster/local/gpu_activity.h"

#include <algorithm>
#include <utility>

namespace muster::cluster::local {
namespace {

constexpr std::chrono::minutes kForgottenAfter(1);

}  // namespace

std::unique_ptr<GpuActivity> GpuActivity::Open(const std::string& library) {
  auto driver = Nvml::Open(library);
  if (driver == nullptr) return nullptr;
  return std::unique_ptr<GpuActivity>(new GpuActivity(std::move(driver)));
}

GpuActivity::GpuActivity(std::unique_ptr<Nvml> driver)
    : driver_(std::move(driver)), newest_us_(driver_->devices()) {}

void GpuActivity::Look(MonotonicTime now) {
  const bool first = looked_ == MonotonicTime{};
  const std::chrono::duration<double, std::milli> passed = now - std::exchange(looked_, now);
  for (std::size_t device = 0; device < driver_->devices(); ++device) {
    std::map<pid_t, unsigned int> percent;  // one of several samples: the busiest
    for (const auto& sample : driver_->SamplesAfter(device, newest_us_[device])) {
      newest_us_[device] = std::max(newest_us_[device], sample.timestamp_us);
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
