#include "runtime/base/result.h"

#include <array>
#include <system_error>

namespace muster {
namespace {

constexpr std::array<std::pair<ErrorKind, std::string_view>, 12> kNames{{
    {ErrorKind::kInvalid, "INVALID"},
    {ErrorKind::kNotFound, "NOT_FOUND"},
    {ErrorKind::kAlreadyExists, "ALREADY_EXISTS"},
    {ErrorKind::kConflict, "CONFLICT"},
    {ErrorKind::kFenced, "FENCED"},
    {ErrorKind::kUnauthorized, "UNAUTHORIZED"},
    {ErrorKind::kUnavailable, "UNAVAILABLE"},
    {ErrorKind::kResource, "RESOURCE"},
    {ErrorKind::kCorrupt, "CORRUPT"},
    {ErrorKind::kUnsupported, "UNSUPPORTED"},
    {ErrorKind::kIo, "IO"},
    {ErrorKind::kInternal, "INTERNAL"},
}};

}  // namespace

std::string_view ErrorKindName(ErrorKind kind) {
  for (const auto& [known, name] : kNames) {
    if (known == kind) return name;
  }
  return "INTERNAL";
}

ErrorKind ErrorKindFromName(std::string_view name) {
  for (const auto& [kind, known] : kNames) {
    if (known == name) return kind;
  }
  return ErrorKind::kInternal;
}

Error IoError(std::string_view what, int error_number) {
  return {ErrorKind::kIo, std::string(what) + ": " + std::generic_category().message(error_number)};
}

}  // namespace muster
