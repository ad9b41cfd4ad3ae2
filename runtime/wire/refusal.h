#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/wire/messages.h"

/// What a coordinator answers when it will not listen. It must be understood by agents of every version, so it
/// is no message of any major but a line of ASCII, and stays what it is:
///   muster refused <code> <oldest major> <newest major> <sentence>
/// The majors are those that the coordinator speaks. An agent never answers a refusal.

namespace muster::wire {

enum class RefusalCode {
  kVersion,   ///< "version": the message's major is not spoken here
  kKey,       ///< "key": the agent's key is not allowed (any more)
  kRole,      ///< "role": the key may not say that
  kReplaced,  ///< "replaced": a newer start of the node's agent was heard
  kOther,     ///< a code of a newer coordinator
};

struct Refusal {
  RefusalCode code = RefusalCode::kOther;
  Majors majors;
  std::string sentence;  ///< for people; at most 500 bytes travel
};

std::string EncodeRefusal(const Refusal& refusal);
/// nullopt: it is not a refusal.
std::optional<Refusal> DecodeRefusal(std::string_view bytes);

}  // namespace muster::wire
