#include "tuner/samplers/change_reader.h"

namespace muster::tuner {

void ChangeReader::Look(const History& history) {
  for (std::size_t i = next_; i < history.changes().size(); ++i) {
    const Change& change = history.changes()[i];
    const auto number = static_cast<std::size_t>(change.trial);
    if (number >= ends_.size()) ends_.resize(number + 1);
    if (change.kind == ChangeKind::kFinish) ends_[number] = i + 1;
    if (change.kind != ChangeKind::kResume || ends_[number] == 0) continue;
    overtaken_.insert(ends_[number] - 1);
    // An end that was read already, or one of this very look: the first needs a new beginning.
    if (ends_[number] <= next_) next_ = 0;
    ends_[number] = 0;
  }
}

}  // namespace muster::tuner
