#include "tracker/artifact_store.h"

namespace muster::tracker {

namespace {

Error NoParts(std::string_view what) {
  return Unsupported(std::string(what) + " is not supported for the current artifact repository");
}

}  // namespace

Error NoSuchArtifact(std::string_view path) {
  return NotFound("No such artifact: '" + std::string(path) + "'");
}
Error ArtifactIsFolder(std::string_view path) {
  return Invalid("Artifact path refers to a directory, not a file: '" + std::string(path) + "'");
}

Result<ArtifactUpload> ArtifactStore::BeginUpload(std::string_view, std::int64_t) {
  return NoParts("Multipart upload");
}
Result<std::string> ArtifactStore::PutPart(std::string_view, std::int64_t, const NewArtifact&) {
  return NoParts("Multipart upload");
}
Status ArtifactStore::CompleteUpload(
    std::string_view, std::string_view,
    std::vector<ArtifactPart> /*parts*/) {  // NOLINT: who overrides it keeps them
  return NoParts("Multipart upload");
}
Status ArtifactStore::AbortUpload(std::string_view, std::string_view) {
  return NoParts("Multipart upload");
}
Result<ArtifactAddress> ArtifactStore::AddressOf(std::string_view) {
  return NoParts("Multipart download");
}
Result<Collected> ArtifactStore::Collect(const CollectBefore&) { return Collected(); }

}  // namespace muster::tracker
