#pragma once

#include <filesystem>

#include "runtime/server/study_service.h"
#include "runtime/server/sweep_routes.h"

namespace muster::server {

/// What can be asked of a sweep's search, under /api/muster/v1/sweeps/{id}:
///   GET  verify    every suggestion computed again from `journal` -> {"trials", "verified", "by_people",
///                  "other_version", "differences": [{"trial", "recorded", "computed", "message"}]}
///   GET  importance    ?method=ped-anova|forest&objective=0
///   GET  dependence    ?params=lr[,width]&objective=0
///   GET  best, front, export   as the verbs of tuner/README.md
/// and of studies, the search without the running:
///   GET  studies           {"studies": [{"study", "trials", "unfinished"}]}
///   POST studies/{study}   a request of tuner/README.md, or an array of them -> its answer, or theirs, durable
/// `late` and `studies` must outlive the router.
void AddSearchRoutes(http::Router& router, LateHost& late, const std::filesystem::path& journal,
                     StudyService& studies);

}  // namespace muster::server
