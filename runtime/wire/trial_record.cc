#include "runtime/wire/trial_record.h"

#include "runtime/wire/trial_record_json.h"

namespace muster::wire {

std::string EncodeRecord(const TrialRecord& record) { return Encode(record) + "\n"; }
Result<TrialRecord> DecodeRecord(std::string_view line) { return Decode<TrialRecord>(line); }

}  // namespace muster::wire
