#pragma once

#include <onnxruntime_c_api.h>

#include <memory>
#include <string>
#include <utility>

#include "runtime/base/result.h"

/// The C API with owners and Results. onnxruntime_c_api.h of the release is its contract.

namespace muster::registry::ort {

/// `status` is released. What ONNX Runtime says, with `what` before it; null: success.
inline Status Check(const OrtApi& api, OrtStatus* status, const char* what) {
  if (status == nullptr) return Ok();
  const std::string message =
      std::string("ONNX Runtime: ") + what + ": " + api.GetErrorMessage(status);
  const OrtErrorCode code = api.GetErrorCode(status);
  api.ReleaseStatus(status);
  // It has no code for it.
  if (message.find("bad_alloc") != std::string::npos ||
      message.find("Failed to allocate memory") != std::string::npos) {
    return ResourceExhausted(message);
  }
  switch (code) {
    case ORT_NO_SUCHFILE:
      return NotFound(message);
    case ORT_INVALID_ARGUMENT:
    case ORT_INVALID_PROTOBUF:
    case ORT_INVALID_GRAPH:
    case ORT_NO_MODEL:
    case ORT_NOT_IMPLEMENTED:
      return Invalid(message);
    default:
      return Internal(message);
  }
}

/// Releases with a function of the table.
template <typename T, void (ORT_API_CALL* OrtApi::*kRelease)(T*)>
class Owned {
 public:
  explicit Owned(const OrtApi& api) : api_(&api) {}
  ~Owned() { Reset(); }
  Owned(Owned&& other) noexcept
      : api_(other.api_), pointer_(std::exchange(other.pointer_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(api_, other.api_);
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  [[nodiscard]] T* get() const { return pointer_; }
  /// For a function that makes one.
  T** out() {
    Reset();
    return &pointer_;
  }

 private:
  void Reset() {
    if (pointer_ != nullptr) (api_->*kRelease)(std::exchange(pointer_, nullptr));
  }
  const OrtApi* api_;
  T* pointer_ = nullptr;
};

using Env = Owned<OrtEnv, &OrtApi::ReleaseEnv>;
using SessionOptions = Owned<OrtSessionOptions, &OrtApi::ReleaseSessionOptions>;
using Session = Owned<OrtSession, &OrtApi::ReleaseSession>;
using MemoryInfo = Owned<OrtMemoryInfo, &OrtApi::ReleaseMemoryInfo>;
using Value = Owned<OrtValue, &OrtApi::ReleaseValue>;
using TypeInfo = Owned<OrtTypeInfo, &OrtApi::ReleaseTypeInfo>;
using ShapeInfo = Owned<OrtTensorTypeAndShapeInfo, &OrtApi::ReleaseTensorTypeAndShapeInfo>;

}  // namespace muster::registry::ort
