#pragma once

#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "trainer/rank_progress.h"

/// What the watches of a gang say to each other: lines of text over TCP, between ranks of one build.
///
///   hello TOKEN RANK               a rank to rank 0, first; answered by "welcome"
///   at QUEUED FINISHED STEP PHASE [WAITS_FOR]   five times a second, both ways
///   bye QUEUED FINISHED STEP PHASE              the last words of a rank that ends in order
///   fail WHY                       the last words of a rank that ends by an error of its own
///   end SENTENCE                   rank 0 to all: who is lost; the gang ends

namespace muster::trainer::peers {

struct Message {
  enum class Kind { kAt, kBye, kFail, kEnd };
  Kind kind = Kind::kAt;
  RankState state;   ///< of kAt and kBye
  std::string text;  ///< of kFail and kEnd
  friend bool operator==(const Message&, const Message&) = default;
};

/// With its newline; newlines within `text` become spaces. A phase or name with a space is cut there.
std::string Encode(const Message& message);
/// Of a line without its newline. kCorrupt for what is no message.
Result<Message> Decode(std::string_view line);

}  // namespace muster::trainer::peers
