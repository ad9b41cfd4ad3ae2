#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "runtime/base/check.h"

/// How a function reports what the world did to it: `Status` or `Result<T>`, never an exception.
/// The message names the thing, the value seen and the value wanted; callers add context going up.

namespace muster {

enum class ErrorKind {
  kInvalid,        ///< the input is wrong, and will be wrong next time too
  kNotFound,       ///< the named thing does not exist
  kAlreadyExists,  ///< the name is taken
  kConflict,       ///< a compare-and-swap lost, or the state forbids it now
  kFenced,         ///< the caller's attempt epoch is older than the current one
  kUnauthorized,   ///< no or wrong credentials
  kUnavailable,    ///< try again later: a peer is away, a deadline passed
  kResource,       ///< disk, memory, slots or a named bound is exhausted
  kCorrupt,        ///< stored or received bytes are not what was written
  kUnsupported,    ///< valid, but not something muster does
  kIo,             ///< the operating system refused
  kInternal,       ///< a library failed in a way that nobody foresaw
};

/// "INVALID", "NOT_FOUND", ...; the reverse answers kInternal for an unknown name.
std::string_view ErrorKindName(ErrorKind kind);
ErrorKind ErrorKindFromName(std::string_view name);

struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;

  /// The same error with "context: " before its message.
  [[nodiscard]] Error With(std::string_view context) const {
    return {kind, std::string(context) + ": " + message};
  }
  friend bool operator==(const Error&, const Error&) = default;
};

inline Error Invalid(std::string message) { return {ErrorKind::kInvalid, std::move(message)}; }
inline Error NotFound(std::string message) { return {ErrorKind::kNotFound, std::move(message)}; }
inline Error AlreadyExists(std::string message) {
  return {ErrorKind::kAlreadyExists, std::move(message)};
}
inline Error Conflict(std::string message) { return {ErrorKind::kConflict, std::move(message)}; }
inline Error Fenced(std::string message) { return {ErrorKind::kFenced, std::move(message)}; }
inline Error Unauthorized(std::string message) {
  return {ErrorKind::kUnauthorized, std::move(message)};
}
inline Error Unavailable(std::string message) {
  return {ErrorKind::kUnavailable, std::move(message)};
}
inline Error ResourceExhausted(std::string message) {
  return {ErrorKind::kResource, std::move(message)};
}
inline Error Corrupt(std::string message) { return {ErrorKind::kCorrupt, std::move(message)}; }
inline Error Unsupported(std::string message) {
  return {ErrorKind::kUnsupported, std::move(message)};
}
inline Error Internal(std::string message) { return {ErrorKind::kInternal, std::move(message)}; }
/// An kIo error that ends in the text of `error_number` (an errno value).
Error IoError(std::string_view what, int error_number);

/// A value or an error. Reading the value of an error aborts.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: by intent
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: by intent

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] const T& value() const& {
    MUSTER_CHECK(ok(), "value() of an error");
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T& value() & {
    MUSTER_CHECK(ok(), "value() of an error");
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    MUSTER_CHECK(ok(), "value() of an error");
    return std::move(*std::get_if<0>(&state_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

  [[nodiscard]] const Error& error() const {
    MUSTER_CHECK(!ok(), "error() of a value");
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

/// Success or an error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : failed_(true), error_(std::move(error)) {}  // NOLINT: by intent

  [[nodiscard]] bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const {
    MUSTER_CHECK(failed_, "error() of a success");
    return error_;
  }

 private:
  bool failed_ = false;
  Error error_;
};

inline Status Ok() { return {}; }

}  // namespace muster

#define MUSTER_CONCAT_INNER(a, b) a##b
#define MUSTER_CONCAT(a, b) MUSTER_CONCAT_INNER(a, b)

/// Returns the error of `expression` (a Status or Result) from the enclosing function, if it has one.
#define MUSTER_RETURN_IF_ERROR(expression)                                                    \
  do {                                                                                        \
    if (auto muster_status = (expression); !muster_status.ok()) return muster_status.error(); \
  } while (false)

/// `MUSTER_ASSIGN_OR_RETURN(auto rows, Read());` declares `rows`, or returns Read()'s error.
#define MUSTER_ASSIGN_OR_RETURN(declaration, expression) \
  MUSTER_ASSIGN_OR_RETURN_INNER(MUSTER_CONCAT(muster_result_, __LINE__), declaration, expression)
#define MUSTER_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                          \
  if (!result.ok()) return result.error();                             \
  declaration = std::move(result).value()
