#include "trainer/resume.h"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace muster::trainer {
namespace {

/// Of the loop's parameters those that say where and how the same is computed.
constexpr std::array<std::string_view, 6> kFree = {"device", "deterministic", "cuda_graph",
                                                   "zero",   "find_unused",   "bucket_mb"};

Status Same(std::string_view what, const std::string& was, const std::string& is) {
  if (was == is) return Ok();
  return Conflict("the checkpoint was made with " + std::string(what) + " " + was +
                  ", this trial has " + is + "; use another checkpoint folder");
}

}  // namespace

Status CheckSame(const Checkpoint& saved, const Progress& own, const Params& params) {
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  const Progress& was = saved.progress;
  MUSTER_RETURN_IF_ERROR(Same("seed", number(was.seed), number(own.seed)));
  MUSTER_RETURN_IF_ERROR(Same("batch_size", number(was.batch_size), number(own.batch_size)));
  MUSTER_RETURN_IF_ERROR(Same("training rows", number(was.train_rows), number(own.train_rows)));
  const auto text = saved.metadata.find("params");
  if (text == saved.metadata.end()) return Ok();
  boost::system::error_code error;
  const auto before = boost::json::parse(text->second, error);
  if (error || !before.is_object()) {
    return Corrupt("the checkpoint's parameters are no JSON object: " + text->second);
  }
  for (const auto& [name, value] : params.ToJson()) {
    const auto* old = before.get_object().if_contains(name);
    if (old == nullptr || std::ranges::find(kFree, std::string_view(name)) != kFree.end()) continue;
    MUSTER_RETURN_IF_ERROR(Same(name, boost::json::serialize(*old), boost::json::serialize(value)));
  }
  return Ok();
}

Status TakeOver(Checkpoint& donors, const Progress& own, const Params& params,
                std::int64_t steps_per_epoch) {
  Progress& progress = donors.progress;
  if (progress.batch_size != own.batch_size) {
    if (progress.batch != 0) {
      return Conflict("the donor's checkpoint is within an epoch of batches of " +
                      std::to_string(progress.batch_size) + " rows; with batches of " +
                      std::to_string(own.batch_size) + " it cannot be gone on from");
    }
    progress.batch_size = own.batch_size;
    progress.step = progress.epoch * steps_per_epoch;
  }
  progress.seed = own.seed;
  donors.metadata["params"] = boost::json::serialize(params.ToJson());
  return Ok();
}

}  // namespace muster::trainer
