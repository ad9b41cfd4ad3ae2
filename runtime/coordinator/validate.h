#pragma once

#include "runtime/base/result.h"
#include "runtime/coordinator/state.h"
#include "runtime/wire/sweep_spec.h"

namespace muster::coordinator {

/// Checks what the keys of a spec mean, beyond their types: "at sampler: unknown sampler 'tqe'; ...". Every
/// error is kInvalid and begins with the path of the mistake.
Status ValidateSpec(const wire::SweepSpec& spec);

/// An id that a client chose: letters, digits, '-', '_' and '.', at most 128.
Status ValidateSweepId(const SweepId& id);

/// kInvalid when no known node could ever hold the gang: "at trial.ranks: ...". Ok when none is known yet.
Status ValidateGang(const wire::SweepSpec& spec, const std::map<NodeId, Node>& nodes);

/// Slots of a gang: ranks x cpu. What a spec of before these bounds overflows is the largest int, which no
/// node has.
[[nodiscard]] int SlotsOf(const wire::SweepSpec& spec);
/// GPUs of a gang: ranks x gpu, in the same way.
[[nodiscard]] int GpusOf(const wire::SweepSpec& spec);

}  // namespace muster::coordinator
