#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "runtime/sqlite/database.h"

namespace muster::server {

/// `studies.db`: what studies were asked and told, in the order in which each saw it. One thread.
class StudyLog {
 public:
  struct Row {
    std::string study;
    std::string request, answer;  ///< JSON objects, as tuner::AskTell has them
  };
  static Result<StudyLog> Open(const std::filesystem::path& file);

  /// All of them, durable when it returns, or none.
  Status Append(const std::vector<Row>& rows);
  /// Every row, oldest first.
  Status Replay(const std::function<Status(const std::string& study, boost::json::object request,
                                           boost::json::object answer)>& each);

 private:
  explicit StudyLog(sqlite::Database database) : database_(std::move(database)) {}
  sqlite::Database database_;
};

}  // namespace muster::server
