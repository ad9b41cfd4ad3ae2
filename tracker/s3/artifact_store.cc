#include "tracker/s3/artifact_store.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "runtime/base/random.h"
#include "tracker/s3/xml.h"

namespace muster::tracker {

namespace {

namespace fs = std::filesystem;
using s3::Call;
using s3::Reply;

constexpr std::chrono::seconds kAddressGood{900};
// S3 takes at most 5 GiB in one request; a part that fails is sent again, so they are not too large.
constexpr std::uint64_t kPartSize = 64ULL << 20;

Error Refused(const Call& call, const Reply& reply) {
  const std::string why = s3::ParseError(reply.body);
  const std::string text = "S3 answered " + std::to_string(reply.status) + " to " + call.method +
                           " '" + call.key + "'" + (why.empty() ? "" : ": " + why);
  if (reply.status == 404 && why.starts_with("NoSuchUpload")) {
    return NotFound(text);
  }
  if (reply.status == 400) return Invalid(text);
  return reply.status >= 500 ? Unavailable(text) : Error{ErrorKind::kIo, text};
}

bool IsGood(const Reply& reply) { return reply.status >= 200 && reply.status < 300; }

class S3ArtifactStore final : public ArtifactStore {
 public:
  S3ArtifactStore(S3Options options, const Clock& clock)
      : prefix_(options.prefix.empty() ? "" : options.prefix + "/"),
        scratch_(std::move(options.scratch)),
        client_(std::move(options.bucket), clock) {}

  Status Put(std::string_view path, const NewArtifact& artifact) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactFile(path));
    Call call{.method = "PUT", .key = prefix_ + name};
    if (artifact.file.empty()) {
      call.body = artifact.bytes;
      return Done(call);
    }
    std::error_code error;
    const std::uint64_t size = fs::file_size(artifact.file, error);
    if (error) return IoError(artifact.file.string(), error.value());
    if (size > kPartSize) return PutInParts(name, artifact.file, size);
    call.body_file = artifact.file;
    call.body_sha256 = artifact.sha256;
    call.length = size;
    return Done(call);
  }

  Result<ArtifactFile> Get(std::string_view path) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactPath(path));
    if (name.empty()) return ArtifactIsFolder(name);
    const fs::path copy = scratch_ / ("artifact-" + RandomHex(8));
    std::shared_ptr<const void> keep(nullptr, [copy](const void*) {
      std::error_code ignored;
      fs::remove(copy, ignored);
    });
    const Call call{.key = prefix_ + name, .save_to = copy};
    MUSTER_ASSIGN_OR_RETURN(const Reply reply, client_.Send(call));
    if (reply.status == 404) return Missing(name);
    if (!IsGood(reply)) return Refused(call, reply);
    return ArtifactFile{copy, "", std::move(keep)};
  }

  Result<std::vector<ArtifactInfo>> List(std::string_view folder) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactPath(folder));
    const std::string below = prefix_ + name + (name.empty() ? "" : "/");
    std::vector<ArtifactInfo> list;
    MUSTER_RETURN_IF_ERROR(ForEachPage(below, "/", [&](const s3::Listing& page) -> Status {
      for (const auto& [key, size] : page.objects) {
        if (key.size() > below.size()) list.push_back({key.substr(below.size()), false, size, ""});
      }
      for (const std::string& prefix : page.prefixes) {
        std::string child = prefix.substr(std::min(below.size(), prefix.size()));
        if (child.ends_with('/')) child.pop_back();
        if (!child.empty()) list.push_back({std::move(child), true, 0, ""});
      }
      return Ok();
    }));
    std::ranges::sort(list, {}, &ArtifactInfo::path);
    return list;
  }

  Status Delete(std::string_view path) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactPath(path));
    if (name.empty()) return Invalid("Invalid path");
    std::vector<std::string> keys{prefix_ + name};
    MUSTER_RETURN_IF_ERROR(ForEachPage(prefix_ + name + "/", "", [&](const s3::Listing& page) {
      for (const auto& [key, size] : page.objects) keys.push_back(key);
      return Ok();
    }));
    for (std::string& key : keys) {
      MUSTER_RETURN_IF_ERROR(Done({.method = "DELETE", .key = std::move(key)}));
    }
    return Ok();
  }

  [[nodiscard]] bool offers_parts() const override { return true; }

  Result<ArtifactUpload> BeginUpload(std::string_view path, std::int64_t parts) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactFile(path));
    if (parts < 1 || parts > kMostParts) {
      return Invalid("num_parts must be between 1 and " + std::to_string(kMostParts) + " (got " +
                     std::to_string(parts) + ").");
    }
    MUSTER_ASSIGN_OR_RETURN(ArtifactUpload upload, Begin(name));
    for (std::int64_t number = 1; number <= parts; ++number) {
      upload.part_urls.push_back(client_.Presigned(PartOf(name, upload.id, number), kAddressGood));
    }
    return upload;
  }

  Status CompleteUpload(std::string_view path, std::string_view upload,
                        std::vector<ArtifactPart> parts) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactFile(path));
    std::ranges::sort(parts, {}, &ArtifactPart::number);
    const Call call{.method = "POST",
                    .key = prefix_ + name,
                    .query = {{"uploadId", std::string(upload)}},
                    .body = s3::CompletionOf(parts)};
    MUSTER_ASSIGN_OR_RETURN(const Reply reply, client_.Send(call));
    // S3 may begin with 200 before it knows, and tell an error in the body.
    if (!IsGood(reply) || !s3::ParseError(reply.body).empty()) return Refused(call, reply);
    return Ok();
  }

  Status AbortUpload(std::string_view path, std::string_view upload) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactFile(path));
    const Call call{
        .method = "DELETE", .key = prefix_ + name, .query = {{"uploadId", std::string(upload)}}};
    const Status done = Done(call);
    return !done.ok() && done.error().kind == ErrorKind::kNotFound ? Ok() : done;
  }

  Result<ArtifactAddress> AddressOf(std::string_view path) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactFile(path));
    const Call call{.method = "HEAD", .key = prefix_ + name};
    MUSTER_ASSIGN_OR_RETURN(const Reply reply, client_.Send(call));
    if (reply.status == 404) return Missing(name);
    if (!IsGood(reply)) return Refused(call, reply);
    return ArtifactAddress{client_.Presigned({.key = prefix_ + name}, kAddressGood), reply.length};
  }

 private:
  Status Done(const Call& call) {
    MUSTER_ASSIGN_OR_RETURN(const Reply reply, client_.Send(call));
    return IsGood(reply) ? Ok() : Status(Refused(call, reply));
  }

  /// Why there is nothing under a name: there is, or is not, something below it.
  Error Missing(const std::string& name) {
    const auto below = List(name);
    if (!below) return below.error();
    return below->empty() ? NoSuchArtifact(name) : ArtifactIsFolder(name);
  }

  template <typename Visit>
  Status ForEachPage(const std::string& prefix, const std::string& delimiter, Visit visit) {
    Call call{.query = {{"list-type", "2"}, {"prefix", prefix}}};
    if (!delimiter.empty()) call.query["delimiter"] = delimiter;
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(const Reply reply, client_.Send(call));
      if (!IsGood(reply)) return Refused(call, reply);
      MUSTER_ASSIGN_OR_RETURN(const s3::Listing page, s3::ParseListing(reply.body));
      MUSTER_RETURN_IF_ERROR(visit(page));
      if (page.next.empty()) return Ok();
      call.query["continuation-token"] = page.next;
    }
  }

  Result<ArtifactUpload> Begin(const std::string& name) {
    const Call call{.method = "POST", .key = prefix_ + name, .query = {{"uploads", ""}}};
    MUSTER_ASSIGN_OR_RETURN(const Reply reply, client_.Send(call));
    if (!IsGood(reply)) return Refused(call, reply);
    MUSTER_ASSIGN_OR_RETURN(std::string id, s3::ParseUploadId(reply.body));
    return ArtifactUpload{std::move(id), {}};
  }

  [[nodiscard]] Call PartOf(const std::string& name, const std::string& upload,
                            std::int64_t number) const {
    return {.method = "PUT",
            .key = prefix_ + name,
            .query = {{"partNumber", std::to_string(number)}, {"uploadId", upload}}};
  }

  Status PutInParts(const std::string& name, const fs::path& file, std::uint64_t size) {
    MUSTER_ASSIGN_OR_RETURN(const ArtifactUpload upload, Begin(name));
    const std::uint64_t part_size =
        std::max(kPartSize, size / static_cast<std::uint64_t>(kMostParts) + 1);
    std::vector<ArtifactPart> parts;
    const auto send = [&]() -> Status {
      for (std::uint64_t offset = 0; offset < size; offset += part_size) {
        const auto number = static_cast<std::int64_t>(parts.size() + 1);
        Call call = PartOf(name, upload.id, number);
        call.body_file = file;
        call.offset = offset;
        call.length = std::min(part_size, size - offset);
        MUSTER_ASSIGN_OR_RETURN(const Reply reply, client_.Send(call));
        if (!IsGood(reply)) return Refused(call, reply);
        parts.push_back({number, reply.etag});
      }
      return CompleteUpload(name, upload.id, parts);
    };
    Status sent = send();
    if (!sent.ok()) {
      const Status forgotten = AbortUpload(name, upload.id);
      if (!forgotten.ok()) return sent.error();  // the first error says more
    }
    return sent;
  }

  const std::string prefix_;
  const fs::path scratch_;
  s3::Client client_;
};

}  // namespace

Result<S3Options> S3OptionsFor(
    std::string_view uri, fs::path scratch,
    const std::function<std::optional<std::string>(std::string_view)>& variable) {
  constexpr std::string_view kScheme = "s3://";
  if (!uri.starts_with(kScheme)) return Invalid("'" + std::string(uri) + "' is no s3:// uri");
  uri.remove_prefix(kScheme.size());
  const std::size_t slash = std::min(uri.find('/'), uri.size());
  S3Options options;
  options.bucket.name = uri.substr(0, slash);
  if (options.bucket.name.empty()) return Invalid("the s3:// uri names no bucket");
  MUSTER_ASSIGN_OR_RETURN(options.prefix,
                          SafeArtifactPath(uri.substr(std::min(slash + 1, uri.size()))));
  options.scratch = std::move(scratch);
  const auto first = [&](std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
      if (auto value = variable(name); value && !value->empty()) return *value;
    }
    return std::string();
  };
  auto& bucket = options.bucket;
  bucket.credentials = {first({"AWS_ACCESS_KEY_ID"}), first({"AWS_SECRET_ACCESS_KEY"}),
                        first({"AWS_SESSION_TOKEN"})};
  if (bucket.credentials.access_key.empty() || bucket.credentials.secret_key.empty()) {
    return Invalid("an s3:// root wants AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  if (auto region = first({"AWS_REGION", "AWS_DEFAULT_REGION"}); !region.empty()) {
    bucket.region = std::move(region);
  }
  bucket.endpoint = first({"MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"});
  return options;
}

Result<std::unique_ptr<ArtifactStore>> OpenS3ArtifactStore(S3Options options, const Clock& clock) {
  std::error_code error;
  fs::create_directories(options.scratch, error);
  if (error) return IoError(options.scratch.string(), error.value());
  return std::unique_ptr<ArtifactStore>(
      std::make_unique<S3ArtifactStore>(std::move(options), clock));
}

}  // namespace muster::tracker
