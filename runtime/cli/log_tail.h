#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/http/client.h"
#include "runtime/wire/api.h"

namespace muster::cli {

/// What a rank prints on one stream, attempt after attempt: an attempt's output is read to its end before the
/// next one's is begun.
class LogTail {
 public:
  /// `trial` is a TrialPath. Attempts up to and with `after` are left out; 0: none.
  LogTail(std::string trial, int rank, std::string stream, std::int64_t after = 0)
      : trial_(std::move(trial)), rank_(rank), stream_(std::move(stream)), epoch_(after) {}

  /// The next bytes; empty when there are no more by now. `attempts` are the trial's, oldest first. An error of
  /// the transport or of the server loses nothing: the next call asks for the same bytes.
  Result<std::string> Next(http::Client& client, const std::vector<wire::AttemptSummary>& attempts);

 private:
  std::string trial_;
  int rank_;
  std::string stream_;
  std::int64_t epoch_;  ///< the attempt that is read
  std::int64_t offset_ = kDone;

  static constexpr std::int64_t kDone = -1;  ///< nothing more of this attempt is wanted
};

}  // namespace muster::cli
