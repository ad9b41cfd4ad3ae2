#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// What `muster predict` keeps beside an output that is not whole yet, OUT.part.json: enough to go on behind the last
/// batch that is safe, so that the file ends as if nothing had happened.

namespace muster::registry {

struct BatchProgress {
  std::int64_t format = 1;
  // --- what is done, and of what: all of it must be the same to go on
  std::string model;          ///< as the command named it
  std::string model_version;  ///< "3"; of a model server that which it said it serves
  std::string model_sha256;   ///< of its files; empty of a model server's
  std::string engine;         ///< "OpenVINO 2026.4.1"
  std::string input;
  std::string input_sha256;
  std::string options;   ///< what else shapes the output, as one text
  std::string skip_bad;  ///< where wrong rows go; need not be the same while there were none
  // --- how far it is
  std::uint64_t rows = 0, skipped = 0,
                correct = 0;  ///< rows read, wrong ones among them, right classes
  std::uint64_t input_bytes = 0, input_line = 1;  ///< where the next row begins; of tables
  std::uint64_t output_bytes = 0,
                skip_bad_bytes = 0;  ///< what follows them in the files is not safe
  std::string header;                ///< the output's first line
  bool classes = false;              ///< it has a class a row
};

std::string ToJson(const BatchProgress& progress);
/// kCorrupt; kUnsupported for another format.
Result<BatchProgress> BatchProgressFromJson(std::string_view text);

/// Ok when `now` may go on where `begun` was; kConflict names what differs, with both values.
Status CanGoOn(const BatchProgress& begun, const BatchProgress& now);

}  // namespace muster::registry
