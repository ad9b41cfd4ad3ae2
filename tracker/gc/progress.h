#pragma once

#include <string>
#include <utility>

#include "tracker/gc/collect.h"

/// What the steps of a collection share.

namespace muster::tracker {

class GcProgress {
 public:
  explicit GcProgress(const GcHooks& hooks) : hooks_(hooks) {}

  /// After each step: tells, and whether to go on (kUnavailable: no).
  Status Step() {
    if (hooks_.progress) hooks_.progress(report);
    if (!hooks_.stopped || !hooks_.stopped()) return Ok();
    return Unavailable("stopped; what is left to do is done by the next gc");
  }
  void Example(std::string what) {
    if (report.examples.size() < GcReport::kMostNamed) report.examples.push_back(std::move(what));
  }
  void Kept(std::string why) {
    ++report.kept;
    if (report.kept_because.size() < GcReport::kMostNamed) {
      report.kept_because.push_back(std::move(why));
    }
  }
  void Failed(std::string why) {
    ++report.failed;
    if (report.failures.size() < GcReport::kMostNamed) report.failures.push_back(std::move(why));
  }

  GcReport report;

 private:
  const GcHooks& hooks_;
};

}  // namespace muster::tracker
