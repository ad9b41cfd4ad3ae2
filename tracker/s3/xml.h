#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/result.h"
#include "tracker/artifact_store.h"

/// What S3 says and hears as XML. Pure; kCorrupt for what is no such answer.

namespace muster::tracker::s3 {

/// A page of ListObjectsV2.
struct Listing {
  std::vector<std::pair<std::string, std::int64_t>> objects;  ///< key and size
  std::vector<std::string> prefixes;                          ///< CommonPrefixes, with their '/'
  std::string next;  ///< continuation token; empty: the last page
};
Result<Listing> ParseListing(std::string_view xml);

/// The UploadId of InitiateMultipartUploadResult.
Result<std::string> ParseUploadId(std::string_view xml);
/// "NoSuchKey: The specified key does not exist."; "" for what is no <Error>.
std::string ParseError(std::string_view xml);

/// The body of CompleteMultipartUpload.
std::string CompletionOf(const std::vector<ArtifactPart>& parts);

}  // namespace muster::tracker::s3
