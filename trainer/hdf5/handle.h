#pragma once

#include <hdf5.h>

#include <mutex>
#include <utility>

/// Handles of the HDF5 C library, closed when they go. The library is not safe for two threads, even with
/// different files: every call of it holds LibraryMutex().

namespace muster::trainer::hdf5 {

std::recursive_mutex& LibraryMutex();

class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  [[nodiscard]] bool ok() const { return id_ >= 0; }
  [[nodiscard]] hid_t id() const { return id_; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

/// To open files without locking them, which some file systems cannot; nothing here changes a file in place.
inline Handle UnlockedAccess() {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_file_locking(access.id(), /*use_file_locking=*/false, /*ignore_when_disabled=*/true);
  return access;
}

}  // namespace muster::trainer::hdf5
