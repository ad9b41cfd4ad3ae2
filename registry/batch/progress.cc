#include "registry/batch/progress.h"

#include <boost/describe.hpp>

#include "runtime/wire/codec.h"

namespace muster::registry {

BOOST_DESCRIBE_STRUCT(BatchProgress, (),
                      (format, model, model_version, model_sha256, engine, input, input_sha256,
                       options, skip_bad, rows, skipped, correct, input_bytes, input_line,
                       output_bytes, skip_bad_bytes, header, classes))

std::string ToJson(const BatchProgress& progress) {
  return wire::SerializeJson(wire::ToJson(progress)) + "\n";
}

Result<BatchProgress> BatchProgressFromJson(std::string_view text) {
  const auto json = wire::ParseJson(text);
  if (!json.ok()) return Corrupt(json.error().message);
  auto progress = wire::FromJson<BatchProgress>(*json);
  if (!progress.ok()) return Corrupt(progress.error().message);
  if (progress->format != 1) {
    return Unsupported("its format is " + std::to_string(progress->format) +
                       ", this muster knows 1");
  }
  return progress;
}

Status CanGoOn(const BatchProgress& begun, const BatchProgress& now) {
  const struct {
    std::string_view what;
    const std::string &then, &here;
  } same[] = {{"model was", begun.model, now.model},
              {"model's version was", begun.model_version, now.model_version},
              {"model's files' SHA-256 was", begun.model_sha256, now.model_sha256},
              {"engine was", begun.engine, now.engine},
              {"input was", begun.input, now.input},
              {"input's SHA-256 was", begun.input_sha256, now.input_sha256},
              {"options were", begun.options, now.options}};
  for (const auto& [what, then, here] : same) {
    if (then != here) {
      return Conflict("the " + std::string(what) + " '" + then + "' and is '" + here + "' now");
    }
  }
  if (begun.skipped > 0 && begun.skip_bad != now.skip_bad) {
    return Conflict(std::to_string(begun.skipped) + " wrong rows went to '" + begun.skip_bad +
                    "', which --skip-bad does not name now");
  }
  return Ok();
}

}  // namespace muster::registry
