#include "runtime/coordinator/quota.h"

#include <array>
#include <cstdio>

namespace muster::coordinator {
namespace {

/// Up to two digits behind the point.
std::string ShortText(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", number);
  std::string trimmed(text.data());
  trimmed.erase(trimmed.find_last_not_of('0') + 1);
  if (trimmed.ends_with('.')) trimmed.pop_back();
  return trimmed;
}

}  // namespace

std::string AmountText(const std::string& name, std::int64_t amount) {
  const auto number = static_cast<double>(amount);
  if (name == "gpu") return ShortText(number / 1'000);
  if (name != "memory" || amount < (1 << 20)) return std::to_string(amount);
  constexpr std::int64_t kGiB = std::int64_t{1} << 30;
  return amount >= kGiB ? ShortText(number / kGiB) + "GiB" : ShortText(number / (1 << 20)) + "MiB";
}

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
