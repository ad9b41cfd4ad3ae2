#include "trainer/hdf5/file_bytes.h"

#include <unistd.h>

#include <cerrno>

namespace muster::trainer::hdf5 {

Status ReadAt(int fd, std::byte* out, std::size_t size, std::uint64_t offset,
              const std::string& name) {
  const std::uint64_t begin = offset;
  const std::uint64_t end = offset + size;
  while (offset < end) {
    const ssize_t got = ::pread(fd, out, end - offset, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return IoError(
          name + ": reading bytes " + std::to_string(begin) + " to " + std::to_string(end), errno);
    }
    if (got == 0) {
      return Corrupt(name + " ends at byte " + std::to_string(offset) + "; wanted bytes " +
                     std::to_string(begin) + " to " + std::to_string(end));
    }
    out += got;
    offset += static_cast<std::uint64_t>(got);
  }
  return Ok();
}

}  // namespace muster::trainer::hdf5
