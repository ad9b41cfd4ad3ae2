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

 private:
  std::map<std::string, Study> studies_;
};

}  // namespace muster::tuner
