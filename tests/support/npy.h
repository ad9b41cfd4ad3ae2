#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

/// Writes NumPy's .npy files, version 1.0 (numpy.lib.format), for tests whose other half is Python.

namespace muster::testing {

/// `descr` is NumPy's type text ("<f4", "<i8"); `bytes` are row-major and little-endian.
inline void WriteNpy(const std::filesystem::path& path, std::string_view descr,
                     const std::vector<std::int64_t>& shape, std::string_view bytes) {
  std::string header = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
  for (const std::int64_t dim : shape) header += std::to_string(dim) + ",";
  header += "), }";
  // Magic, version and length take 10 bytes; the whole must be a multiple of 64 and end a line.
  header.append(63 - (header.size() + 10) % 64, ' ');
  header += '\n';
  std::ofstream out(path, std::ios::binary);
  out.write("\x93NUMPY\x01\x00", 8);
  out.put(static_cast<char>(header.size() & 0xff));
  out.put(static_cast<char>(header.size() >> 8));
  out << header << bytes;
}

}  // namespace muster::testing
