#include "tuner/schedulers/any_of.h"

namespace muster::tuner {

Verdict AnyOf::Judge(std::int64_t number, const History& history) {
  Verdict verdict = Verdict::kContinue;
  for (const auto& rule : rules_) {
    const Verdict own = rule->Judge(number, history);
    if (own == Verdict::kStop) return own;
    if (own == Verdict::kPause) verdict = own;
  }
  return verdict;
}

Choice AnyOf::Choose(std::int64_t number, const History& history) {
  return rules_[0]->Choose(number, history);
}

bool AnyOf::NeedsCheckpoint(std::int64_t number, const History& history) {
  return rules_[0]->NeedsCheckpoint(number, history);
}

std::vector<std::int64_t> AnyOf::rungs() const {
  for (const auto& rule : rules_) {
    if (auto rungs = rule->rungs(); !rungs.empty()) return rungs;
  }
  return {};
}

std::string AnyOf::Explain(const History& history) {
  std::string text;
  for (const auto& rule : rules_) text += (text.empty() ? "" : "; ") + rule->Explain(history);
  return text;
}

}  // namespace muster::tuner
