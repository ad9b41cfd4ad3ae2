#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tuner/search.h"

/// What changes a study, as bytes that outlive the process: each a byte that says what happened, then its fields.
///
///   1 started    trial, params, by, a byte: 1 when it is a clone, then its origin's trial and step
///   2 resumed    trial, step
///   3 reported   trial, step, values, a byte: the verdict
///   4 told       trial, outcome
///   5 enqueued   params
///   6 imported   params, outcome, weight
///   7 gave up    what was still paused ended as pruned
///
/// Integers are varints (runtime/base/varint.h), signed ones folded; a number is the 8 bytes of a double, lowest first;
/// a text and a list begin with their length as a varint. Params: a list of name, a byte for the type (0 false, 1 true,
/// 2 integer, 3 number, 4 text) and the value. Outcome: a byte for the state, values, constraints.

namespace muster::tuner {

struct Reported {
  std::int64_t trial = 0, step = 0;
  std::vector<double> values;
  Verdict verdict = Verdict::kContinue;
};
struct Told {
  std::int64_t trial = 0;
  Outcome outcome;
};
struct Enqueued {
  Params params;
};
struct Imported {
  Params params;
  Outcome outcome;
  double weight = 1;
};
struct GaveUp {};

using StudyEvent = std::variant<Asked, Reported, Told, Enqueued, Imported, GaveUp>;

void AppendEvent(std::string& bytes, const StudyEvent& event);
/// Takes the one at the front. kCorrupt when there is no whole one.
Result<StudyEvent> TakeEvent(std::string_view& bytes);

}  // namespace muster::tuner
