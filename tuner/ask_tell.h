#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <string_view>

#include "tuner/study.h"

/// Studies behind one JSON request and one JSON answer, for programs in any language: `muster tuner serve --stdio`
/// speaks it line by line. README.md of this folder lists the verbs with their fields.

namespace muster::tuner {

/// Any number of studies by name. No I/O; not thread-safe.
class AskTell {
 public:
  /// One request as a line of JSON, answered by one without its newline. A wrong request changes nothing and
  /// answers {"error": {"kind", "message"}}, where the message names the field. "id" comes back as it was.
  [[nodiscard]] std::string AnswerLine(std::string_view line);
  /// What a request changed of its study, for whoever keeps a journal.
  struct Changed {
    bool dropped = false;  ///< before the rest: nothing of the study is left
    /// As study_event.h has them; a new study's begin with a byte of 0 and the request as a text.
    std::string events;
  };
  /// What it changes, also with an error, is added to `changed`.
  Result<boost::json::object> Answer(const boost::json::object& request,
                                     Changed* changed = nullptr);
  /// The events that Answer gave once, in their order and cut as it gave them or put together: brings the study to
  /// where it was after them, without a search. kCorrupt when they are damaged or do not follow from what was
  /// replayed before.
  Status Replay(const std::string& study, std::string_view events);
  /// Null when there is none; until the next call.
  [[nodiscard]] const Study* Find(std::string_view name) const;

 private:
  std::map<std::string, Study, std::less<>> studies_;
};

}  // namespace muster::tuner
