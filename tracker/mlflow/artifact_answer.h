#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tracker/mlflow/call.h"

/// Artifacts as the handlers see them: where a run's or model's files are, and a file as an answer.

namespace muster::tracker {

/// A path in a store.
struct ArtifactPlace {
  std::shared_ptr<ArtifactStore> store;
  std::string path;
};

/// Where `path` below an artifact_uri of a run or model is: in this server's own store, or in a root that
/// MlflowOptions::open_root opens. kInvalid "Invalid path".
Result<ArtifactPlace> PlaceOf(const Services& services, std::string_view artifact_uri,
                              std::string_view path);

/// {"files": [...]} of a folder, the paths relative to `artifact_uri`, and that as the root_uri.
Result<boost::json::object> ListBelow(const Services& services, const std::string& artifact_uri,
                                      std::string_view path);

/// The file as an attachment, of the type that MLflow guesses from its name.
http::Response SendArtifact(const ArtifactPlace& place);

/// {"url", "headers", "file_size"}: where the file can be had in parts, with no login. kUnsupported with
/// MLflow's text where the store does not offer it.
Result<http::Response> PresignedAnswer(const http::Request& request, const ArtifactPlace& place);
/// POST /artifacts/presigned-upload-url and -download-url (multipart_routes.cc).
Result<boost::json::object> PresignedUploadUrl(Call& call);
Result<boost::json::object> PresignedDownloadUrl(Call& call);

/// May this request write to the run that a canonical path of the proxy belongs to?
Status FenceArtifact(const Services& services, const http::Request& request, std::string_view path);

/// A handler that answers a file or an error.
http::Handler ArtifactHandler(const std::shared_ptr<const Services>& services,
                              Result<http::Response> (*function)(const Services&,
                                                                 const http::Request&));

/// The body of an upload.
NewArtifact BodyOf(const http::Request& request);

/// The type of a file by its name (mlflow/utils/mime_type_utils.py): what is read as text is text/plain.
std::string_view MimeTypeOf(std::string_view name);
/// RFC 6266, and RFC 5987 for what is not ASCII.
std::string AttachmentOf(std::string_view name);

}  // namespace muster::tracker
