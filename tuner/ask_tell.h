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
  [[nodiscard]] Result<boost::json::object> Answer(const boost::json::object& request);

  /// Whether a request may change a study: what a journal must keep, with its answer.
  [[nodiscard]] static bool Changes(const boost::json::object& request);
  /// A request that was answered so before: brings its study to where it was after it, without a search.
  /// kCorrupt when they do not follow from what was replayed before.
  Status Replay(const boost::json::object& request, const boost::json::object& answer);
  /// Null when there is none; until the next call.
  [[nodiscard]] const Study* Find(std::string_view name) const;

 private:
  std::map<std::string, Study, std::less<>> studies_;
};

}  // namespace muster::tuner
