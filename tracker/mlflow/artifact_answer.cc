#include "tracker/mlflow/artifact_answer.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <cctype>
#include <utility>

#include "tracker/mlflow/entities.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;
using http::Response;

constexpr std::array<std::string_view, 26> kTextEndings = {
    "txt",  "log",   "err",  "cfg",  "conf", "cnf",   "cf",      "ini",      "properties",
    "prop", "hocon", "toml", "yaml", "yml",  "xml",   "json",    "js",       "py",
    "py3",  "csv",   "tsv",  "md",   "rst",  "ipynb", "MLmodel", "mlproject"};

/// Python's mimetypes on Debian, as far as files of experiments have them; sorted.
constexpr auto kTypes = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bin", "application/octet-stream"},
    {"bmp", "image/bmp"},
    {"c", "text/x-csrc"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"dot", "text/vnd.graphviz"},
    {"eps", "application/postscript"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gv", "text/vnd.graphviz"},
    {"h", "text/x-chdr"},
    {"h5", "application/x-hdf5"},
    {"heic", "image/heic"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ico", "image/vnd.microsoft.icon"},
    {"jar", "application/java-archive"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript"},
    {"json", "application/json"},
    {"m4a", "audio/mp4"},
    {"mjs", "text/javascript"},
    {"mkv", "video/x-matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"ogg", "audio/ogg"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"ps", "application/postscript"},
    {"pt", "application/vnd.snesdev-page-table"},
    {"pyc", "application/x-python-code"},
    {"rtf", "application/rtf"},
    {"sh", "text/x-sh"},
    {"so", "application/octet-stream"},
    {"sqlite", "application/vnd.sqlite3"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tex", "text/x-tex"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain"},
    {"wasm", "application/wasm"},
    {"wav", "audio/x-wav"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "text/xml"},
    {"zip", "application/zip"},
});
static_assert(std::ranges::is_sorted(kTypes, {}, &decltype(kTypes)::value_type::first));

/// What follows the last dot, unless that is the name's first character.
std::string_view EndingOf(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? "" : name.substr(dot + 1);
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

bool IsAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// A token of RFC 9110 as it is, anything else in quotes.
std::string TokenOrQuoted(std::string_view text) {
  const auto is_token = [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, is_token)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

std::string_view MimeTypeOf(std::string_view name) {
  std::string_view ending = EndingOf(name);
  const std::string_view text_name = ending.empty() ? name : ending;
  if (std::ranges::find(kTextEndings, text_name) != kTextEndings.end()) {
    return "text/plain";
  }
  const std::string lower = Lower(ending);
  // Of a compressed file Python tells what is inside.
  if (lower == "gz" || lower == "bz2" || lower == "xz" || lower == "br") {
    ending = EndingOf(name.substr(0, name.size() - ending.size() - 1));
  } else if (lower == "tgz") {
    ending = "tar";
  }
  const auto found = std::ranges::lower_bound(kTypes, std::string_view(Lower(ending)), {},
                                              &decltype(kTypes)::value_type::first);
  if (found == kTypes.end() || found->first != Lower(ending)) return "application/octet-stream";
  return found->second;
}

std::string AttachmentOf(std::string_view name) {
  if (IsAscii(name)) return "attachment; filename=" + TokenOrQuoted(name);
  std::string ascii(name);
  std::erase_if(ascii, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  return "attachment; filename=" + TokenOrQuoted(ascii.empty() ? "download" : ascii) +
         "; filename*=UTF-8''" + http::PercentEncode(name);
}

Result<ArtifactPlace> PlaceOf(const Services& services, std::string_view artifact_uri,
                              std::string_view path) {
  MUSTER_ASSIGN_OR_RETURN(const std::string safe, SafeArtifactPath(path));
  auto own = ArtifactStorePath(artifact_uri, safe);
  if (own) {
    // The services outlive the handlers, so nobody owns it here.
    return ArtifactPlace{{std::shared_ptr<void>(), &services.artifacts}, std::move(*own)};
  }
  if (!services.options.open_root) return own.error();
  MUSTER_ASSIGN_OR_RETURN(auto store, services.options.open_root(artifact_uri));
  return ArtifactPlace{std::move(store), safe};
}

Result<json::object> ListBelow(const Services& services, const std::string& artifact_uri,
                               std::string_view path) {
  MUSTER_ASSIGN_OR_RETURN(const std::string safe, SafeArtifactPath(path));
  MUSTER_ASSIGN_OR_RETURN(const ArtifactPlace place, PlaceOf(services, artifact_uri, safe));
  MUSTER_ASSIGN_OR_RETURN(const auto list, place.store->List(place.path));
  json::object object{{"root_uri", artifact_uri}};
  PutList(object, "files", ToMlflow(list, safe));
  return object;
}

Response SendArtifact(const ArtifactPlace& place) {
  auto file = place.store->Get(place.path);
  if (!file) return MlflowError(file.error());
  const std::string_view name = std::string_view(place.path).substr(place.path.rfind('/') + 1);
  Response response;
  response.headers["Content-Type"] = MimeTypeOf(name);
  response.headers["Content-Disposition"] = AttachmentOf(name);
  response.headers["X-Content-Type-Options"] = "nosniff";
  response.headers["Cache-Control"] = "no-cache";
  if (!file->sha256.empty()) response.headers["ETag"] = '"' + file->sha256 + '"';
  response.body_file = std::move(file->path);
  response.keep = std::move(file->keep);
  return response;
}

NewArtifact BodyOf(const http::Request& request) {
  return {.file = request.body_file,
          .may_move = true,
          .sha256 = request.body_sha256,
          .bytes = request.body};
}

}  // namespace muster::tracker
