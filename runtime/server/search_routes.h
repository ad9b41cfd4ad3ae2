#pragma once

#include <filesystem>

#include "runtime/wire/http.h"

namespace muster::server {

/// What can be asked of a sweep's search, under /api/muster/v1/sweeps/{id}:
///   GET  verify    every suggestion computed again from `journal` -> {"trials", "verified", "by_people",
///                  "other_version", "differences": [{"trial", "recorded", "computed", "message"}]}
void AddSearchRoutes(http::Router& router, const std::filesystem::path& journal);

}  // namespace muster::server
