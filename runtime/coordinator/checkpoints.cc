#include "runtime/coordinator/checkpoints.h"

#include <algorithm>

namespace muster::coordinator {
namespace {

constexpr std::string_view kCopies = ".at";
/// A report that jumped ahead may have skipped the newest.
constexpr std::size_t kCopiesNeeded = 2;

}  // namespace

std::string CheckpointFolder(const TrialId& trial) { return trial.value; }
std::string CopiesFolder(const TrialId& trial) { return trial.value + std::string(kCopies); }
std::string CopyFolder(const TrialId& trial, const KeptCheckpoint& kept) {
  return CopiesFolder(trial) + "/" + std::to_string(kept.step) + ".a-" +
         std::to_string(kept.epoch.value);
}
std::string StartFolder(const Origin& from) {
  if (from.step == 0) return {};
  return from.kept.value == 0 ? CheckpointFolder(from.trial)
                              : CopyFolder(from.trial, {from.step, from.kept});
}

bool IsAwaited(const Sweep& sweep, const Trial& trial, const std::string& folder) {
  return std::ranges::any_of(sweep.unborn, [&](std::int64_t number) {
    const Origin& from = *sweep.trials[static_cast<std::size_t>(number)].from;
    return from.trial == trial.id && StartFolder(from) == folder;
  });
}

std::vector<std::string> UnneededCopies(const Sweep& sweep, const Trial& trial, bool over) {
  const bool donor =
      !over && trial.phase != TrialPhase::kPruned && trial.phase != TrialPhase::kComplete;
  if (!donor && trial.live.value != 0) return {};  // it may still publish some
  auto needed = trial.kept.end();
  if (donor) {
    const std::int64_t reported = trial.reports.empty() ? -1 : trial.reports.back().step;
    needed = std::ranges::upper_bound(trial.kept, reported, {}, &KeptCheckpoint::step);
    const auto before = static_cast<std::size_t>(needed - trial.kept.begin());
    needed -= static_cast<std::ptrdiff_t>(std::min(before, kCopiesNeeded));
  }
  std::vector<std::string> folders;
  for (auto kept = trial.kept.begin(); kept != needed; ++kept) {
    std::string folder = CopyFolder(trial.id, *kept);
    if (over || !IsAwaited(sweep, trial, folder)) folders.push_back(std::move(folder));
  }
  const bool all = folders.size() == trial.kept.size() && !donor;
  if (all) folders = {CopiesFolder(trial.id)};
  return folders;
}

std::vector<std::string> LeftBehind(const State& state, const std::vector<std::string>& folders) {
  std::vector<std::string> left;
  for (const std::string& folder : folders) {
    const bool copies = folder.ends_with(kCopies);
    const TrialId id(copies ? folder.substr(0, folder.size() - kCopies.size()) : folder);
    const Trial* trial = state.FindTrial(id);
    if (trial == nullptr || trial->live.value != 0) continue;
    const bool for_good = trial->phase == TrialPhase::kPruned ||
                          trial->phase == TrialPhase::kComplete ||
                          IsFinal(state.FindSweep(trial->sweep)->phase);
    if (!for_good) continue;  // it may be retried meanwhile
    const bool gone = copies ? trial->kept.empty() : trial->dropped;
    if (gone) left.push_back(folder);
  }
  return left;
}

}  // namespace muster::coordinator
