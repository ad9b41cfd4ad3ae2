#pragma once

#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/wire/messages.h"

/// The binary form of major 2 (layout: runtime/wire/README.md); for the .cc files of this folder, which reach
/// it through EncodeEnvelope and DecodeEnvelope.

namespace muster::wire {

/// Does it begin with the magic? JSON never does: its first byte is no UTF-8.
bool IsFrame(std::string_view bytes);
std::string EncodeFrame(const Envelope& envelope);
/// `bytes` begins with the magic.
Result<Envelope> DecodeFrame(std::string_view bytes, Majors spoken);

}  // namespace muster::wire
