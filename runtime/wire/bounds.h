#pragma once

#include "runtime/base/result.h"
#include "runtime/wire/messages.h"

namespace muster::wire {

/// Values that no peer may send, and that decoding refuses: a log stream that would be a path elsewhere, a
/// negative offset, texts and lists beyond their bounds. kInvalid with the member's path.
Status CheckMessage(const Message& message);

}  // namespace muster::wire
