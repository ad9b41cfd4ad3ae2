#include <vector>

#include "registry/model_store.h"

namespace muster::registry {

Result<std::int64_t> RollbackTarget(const std::vector<AliasChange>& history,
                                    std::string_view alias) {
  std::vector<std::int64_t> stack;
  for (auto change = history.rbegin(); change != history.rend(); ++change) {
    if (change->alias != alias) continue;
    switch (change->move) {
      case AliasMove::kRollback:
        if (!stack.empty()) stack.pop_back();
        // A history that lost its beginning still ends where the alias points.
        if (stack.empty() || stack.back() != change->version) stack.push_back(change->version);
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
  if (!stack.empty()) stack.pop_back();
  while (!stack.empty() && stack.back() == 0) stack.pop_back();
  if (stack.empty()) {
    return NotFound("alias '" + std::string(alias) + "' has no earlier version to go back to");
  }
  return stack.back();
}

}  // namespace muster::registry
