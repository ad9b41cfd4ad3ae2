#include "runtime/coordinator/quota.h"

namespace muster::coordinator {
namespace {

/// GPUs are counted in thousandths.
std::string AmountText(const std::string& name, std::int64_t amount) {
  if (name != "gpu" || amount % 1'000 == 0) {
    return std::to_string(name == "gpu" ? amount / 1'000 : amount);
  }
  std::string text = std::to_string(static_cast<double>(amount) / 1'000);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

}  // namespace

std::string QuotaHit(const Amounts& most, const Amounts& held, const Amounts& more) {
  for (const auto& [name, bound] : most) {
    const auto wanted = more.find(name);
    if (wanted == more.end()) continue;
    const auto has = held.find(name);
    const std::int64_t before = has == held.end() ? 0 : has->second;
    if (before + wanted->second <= bound) continue;
    return AmountText(name, wanted->second) + " of " + name +
           (before > 0 ? " beside " + AmountText(name, before) : "") + " exceed the quota of " +
           AmountText(name, bound);
  }
  return {};
}

std::string QuotaHit(const State& state, const Sweep& sweep) {
  const auto most = state.quotas.find(sweep.user);
  if (most == state.quotas.end()) return {};
  const auto held = state.users.find(sweep.user);
  return QuotaHit(most->second, held == state.users.end() ? Amounts() : held->second,
                  AmountsOf(sweep.shape, sweep.shape.ranks));
}

}  // namespace muster::coordinator
