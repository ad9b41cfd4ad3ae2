#include <vector>

#include "registry/model_store.h"

namespace muster::registry {

Result<std::int64_t> RollbackTarget(const std::vector<AliasChange>& history, std::string_view alias,
                                    const std::function<bool(std::int64_t version)>& exists) {
  std::vector<std::int64_t> stack;
  for (auto change = history.rbegin(); change != history.rend(); ++change) {
    if (change->alias != alias) continue;
    switch (change->move) {
      case AliasMove::kRollback:
        // Down to where it led, past removals and versions that were gone by then.
        if (!stack.empty()) stack.pop_back();
        while (!stack.empty() && stack.back() != change->version) stack.pop_back();
        // A history that lost its beginning still ends where the alias points.
        if (stack.empty()) stack.push_back(change->version);
        break;
      case AliasMove::kRemove:
        stack.push_back(0);
        break;
      case AliasMove::kSet:
      case AliasMove::kPromote:
        if (stack.empty() || stack.back() != change->version) stack.push_back(change->version);
        break;
    }
  }
  const std::int64_t current = stack.empty() ? 0 : stack.back();
  const auto leads_nowhere = [&](std::int64_t version) {
    return version == 0 || version == current || !exists(version);
  };
  while (!stack.empty() && leads_nowhere(stack.back())) stack.pop_back();
  if (stack.empty()) {
    return NotFound("alias '" + std::string(alias) + "' has no earlier version to go back to");
  }
  return stack.back();
}

}  // namespace muster::registry
