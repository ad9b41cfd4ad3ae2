#pragma once

#include <cstdint>
#include <optional>

#include "cluster/local/file_set.h"
#include "runtime/wire/codec.h"

/// The JSON of checkpoint_routes.h, for .cc files.

namespace muster::cluster::local {

BOOST_DESCRIBE_STRUCT(FileEntry, (), (path, bytes, sha256))

}  // namespace muster::cluster::local

namespace muster::server {

struct CheckpointList {
  cluster::local::FileSet files;
  std::optional<std::int64_t> keep;
};
BOOST_DESCRIBE_STRUCT(CheckpointList, (), (files, keep))

}  // namespace muster::server
