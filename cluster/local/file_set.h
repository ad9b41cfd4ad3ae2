#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// A checkpoint folder as the list of its files, for nodes that share no folder with the server: what of one list has to
/// travel so that a folder becomes another. Pure.

namespace muster::cluster::local {

struct FileEntry {
  std::string path;  ///< below the folder: "a/b.safetensors"
  std::int64_t bytes = 0;
  std::string sha256;  ///< 64 lower-case hex digits
  friend bool operator==(const FileEntry&, const FileEntry&) = default;
};
/// By path, ascending as bytes; no path twice.
using FileSet = std::vector<FileEntry>;

inline constexpr std::size_t kFileSetMax = 100'000;
inline constexpr std::size_t kFilePathBytesMax = 1024;

/// Whether a list from elsewhere is one that a folder can become: in order, within the bounds above, every path relative
/// and within the folder (no "..", ".", empty part, NUL), no file where another has a folder. kInvalid names the path.
Status CheckFileSet(const FileSet& files);

struct Transfer {
  /// Where a file's bytes are already: the file at `from` in the folder that is there.
  struct Keep {
    std::string path, from;
    friend bool operator==(const Keep&, const Keep&) = default;
  };
  std::vector<Keep> keep;
  std::vector<FileEntry> place;  ///< files whose bytes are not there
  FileSet fetch;           ///< what has to travel for `place`: each content once, by its first path
  std::int64_t bytes = 0;  ///< of `fetch`
};

/// What makes a folder with `have` one with `want`. Files are the same by content, whatever their names.
Transfer PlanTransfer(const FileSet& have, const FileSet& want);

}  // namespace muster::cluster::local
