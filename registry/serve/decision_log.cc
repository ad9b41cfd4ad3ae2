#include "registry/serve/decision_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/wire/codec.h"

namespace muster::registry::serve {
namespace {

Result<std::string> Text(const boost::json::object& decision, std::string_view key) {
  const auto* value = decision.if_contains(key);
  if (value == nullptr) return Corrupt("a decision without '" + std::string(key) + "'");
  return wire::FromJson<std::string>(*value);
}

}  // namespace

DecisionLog::DecisionLog(DecisionLog&& other) noexcept
    : file_(std::exchange(other.file_, -1)), sent_back_(std::move(other.sent_back_)) {}

DecisionLog::~DecisionLog() {
  if (file_ >= 0) ::close(file_);
}

Result<DecisionLog> DecisionLog::Open(const std::filesystem::path& file) {
  DecisionLog log;
  log.file_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (log.file_ < 0) return IoError("open " + file.string(), errno);
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file));
  const std::size_t whole = text.rfind('\n') == text.npos ? 0 : text.rfind('\n') + 1;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < whole; ++number) {
    const std::size_t end = text.find('\n', begin);
    const auto line = wire::ParseJson(std::string_view(text).substr(begin, end - begin));
    const Status taken = !line.ok()           ? Status(line.error())
                         : !line->is_object() ? Status(Corrupt("wanted an object"))
                                              : log.Take(line->get_object());
    if (!taken.ok()) {
      return Corrupt(file.string() + " line " + std::to_string(number + 1) + ": " +
                     taken.error().message);
    }
    begin = end + 1;
  }
  if (::ftruncate(log.file_, static_cast<off_t>(whole)) != 0 ||
      ::lseek(log.file_, 0, SEEK_END) < 0) {
    return IoError("cut " + file.string(), errno);
  }
  return log;
}

Status DecisionLog::Take(const boost::json::object& decision) {
  MUSTER_ASSIGN_OR_RETURN(std::string model, Text(decision, "model"));
  MUSTER_ASSIGN_OR_RETURN(std::string challenger, Text(decision, "challenger"));
  MUSTER_ASSIGN_OR_RETURN(const std::string state, Text(decision, "state"));
  std::pair version(std::move(model), std::move(challenger));
  if (state == "rolled_back") {
    sent_back_.insert(std::move(version));
  } else {
    sent_back_.erase(version);
  }
  return Ok();
}

Status DecisionLog::Write(const boost::json::object& line) {
  if (file_ < 0) return Ok();
  const std::string text = boost::json::serialize(line) + "\n";
  // In one write: a crash leaves a part of a line at most, which Open drops.
  const ssize_t written = ::write(file_, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) || ::fdatasync(file_) != 0) {
    return IoError("write the decision log", written < 0 ? errno : ENOSPC);
  }
  return Ok();
}

Status DecisionLog::Append(const boost::json::object& decision) {
  const std::lock_guard lock(mutex_);
  MUSTER_RETURN_IF_ERROR(Take(decision));
  return Write(decision);
}

bool DecisionLog::WasSentBack(const std::string& model, const std::string& version) const {
  const std::lock_guard lock(mutex_);
  return sent_back_.contains({model, version});
}

Status DecisionLog::Forget() {
  const std::lock_guard lock(mutex_);
  for (const auto& [model, version] : std::exchange(sent_back_, {})) {
    MUSTER_RETURN_IF_ERROR(Write({{"time", SystemClock().UnixNow()},
                                  {"state", "forgotten"},
                                  {"model", model},
                                  {"challenger", version}}));
  }
  return Ok();
}

}  // namespace muster::registry::serve
