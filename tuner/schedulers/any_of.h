#pragma once

#include <memory>
#include <vector>

#include "tuner/scheduler.h"

namespace muster::tuner {

/// Several rules, of which any may stop a trial. At most the first one pauses, resumes and clones.
class AnyOf final : public Scheduler {
 public:
  explicit AnyOf(std::vector<std::unique_ptr<Scheduler>> rules) : rules_(std::move(rules)) {}
  Verdict Judge(std::int64_t number, const History& history) override;
  Choice Choose(std::int64_t number, const History& history) override;
  bool NeedsCheckpoint(std::int64_t number, const History& history) override;
  [[nodiscard]] std::int64_t clone_interval() const override { return rules_[0]->clone_interval(); }
  /// Of the first rule that has some.
  [[nodiscard]] std::vector<std::int64_t> rungs() const override;
  std::string Explain(const History& history) override;

 private:
  std::vector<std::unique_ptr<Scheduler>> rules_;  ///< at least one
};

}  // namespace muster::tuner
