#include "cluster/local/gpu_activity.h"

#include <algorithm>
#include <utility>

namespace muster::cluster::local {
namespace {

constexpr std::chrono::minutes kForgottenAfter(1);
// An H100 looks five times a second whose kernel runs: of five processes that take turns each is seen within this.
constexpr std::chrono::seconds kTurnsMost(10);
constexpr unsigned int kAllPercent = 90;  // samples are rounded down

}  // namespace

std::unique_ptr<GpuActivity> GpuActivity::Open(const std::string& library) {
  auto driver = Nvml::Open(library);
  if (driver == nullptr) return nullptr;
  return std::unique_ptr<GpuActivity>(new GpuActivity(std::move(driver)));
}

GpuActivity::GpuActivity(std::unique_ptr<Nvml> driver)
    : driver_(std::move(driver)), devices_(driver_->devices()) {}

void GpuActivity::Look(MonotonicTime now) {
  const bool first = looked_ == MonotonicTime{} || now - looked_ > kForgottenAfter;
  const auto passed = now - std::exchange(looked_, now);
  for (std::size_t index = 0; index < devices_.size(); ++index)
    LookAt(index, first ? MonotonicTime::duration::zero() : passed);
  std::erase_if(processes_,
                [&](const auto& entry) { return now - entry.second.seen > kForgottenAfter; });
}

void GpuActivity::LookAt(std::size_t index, std::chrono::duration<double, std::milli> passed) {
  Device& device = devices_[index];
  std::map<pid_t, unsigned int> percent;  // one of several samples: the busiest
  for (const auto& sample : driver_->SamplesAfter(index, device.newest_us)) {
    device.newest_us = std::max(device.newest_us, sample.timestamp_us);
    auto& most = percent[static_cast<pid_t>(sample.pid)];
    most = std::max(most, std::min(sample.sm_percent, 100U));
  }
  unsigned int total = 0;
  for (const auto& [pid, most] : percent) {
    device.users[pid] = looked_;
    total += most;
  }
  std::erase_if(device.users, [&](const auto& user) { return looked_ - user.second > kTurnsMost; });
  const double turns = total >= kAllPercent ? static_cast<double>(device.users.size()) : 1;
  for (const auto& [pid, most] : percent) {
    Process& process = processes_[pid];
    process.seen = looked_;
    process.busy_ms += passed.count() * most / 100 * turns;
  }
}

std::int64_t GpuActivity::BusyMs(pid_t pid) const {
  const auto found = processes_.find(pid);
  return found == processes_.end() ? 0 : static_cast<std::int64_t>(found->second.busy_ms);
}

}  // namespace muster::cluster::local
