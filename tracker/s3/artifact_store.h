#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/clock.h"
#include "tracker/artifact_store.h"
#include "tracker/s3/client.h"

namespace muster::tracker {

struct S3Options {
  s3::Bucket bucket;
  std::string prefix;  ///< of the keys, without a '/' at its end; may be empty
  std::filesystem::path
      scratch;  ///< a folder for copies of what is being read; made when it is not there
};

/// "s3://bucket/prefix" with what the environment says about it, read through `variable` by the main that calls
/// this: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION or AWS_DEFAULT_REGION, and
/// for a store that is not AWS's MLFLOW_S3_ENDPOINT_URL or AWS_ENDPOINT_URL_S3. kInvalid names what is missing.
Result<S3Options> S3OptionsFor(
    std::string_view uri, std::filesystem::path scratch,
    const std::function<std::optional<std::string>(std::string_view)>& variable);

/// Artifacts as objects of an S3-compatible store, under "<prefix>/<path>", as MLflow's own S3 root has them. A file
/// and a folder of one name can be there at once, as S3 has no folders. Large files go and come in parts,
/// the client's directly between it and S3 by presigned addresses. `clock` outlives the store. Errors of S3 name its
/// code ("AccessDenied"); kUnavailable when it does not answer.
Result<std::unique_ptr<ArtifactStore>> OpenS3ArtifactStore(S3Options options, const Clock& clock);

}  // namespace muster::tracker
