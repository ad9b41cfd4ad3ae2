#pragma once

#include <functional>
#include <string_view>

#include "registry/model_store.h"
#include "runtime/wire/http.h"

/// What devices poll, under /api/muster/v1:
///
///   GET    fleet/{name}     the envelope (fleet/manifest.h) as it was published, with an ETag; 304 for If-None-Match
///   POST   fleet/{name}     {envelope, reason, actor}; 409 unless its sequence is one above that of the one in force;
///                           400 when it is not signed with the registry's key
///
/// It lies in the model's tag `muster.fleet`, so whoever published what is in the audit as tag.set. Tags can be set by other
/// ways too: it is the signature that devices go by.

namespace muster::registry {

inline constexpr std::string_view kFleetTag = "muster.fleet";

/// Ok when `signature` over `bytes` is the registry's.
using SignatureCheck = std::function<Status(std::string_view bytes, std::string_view signature)>;

/// The store must outlive the router; both are called from its threads.
void AddFleetRoutes(http::Router& router, ModelStore& store, SignatureCheck check);

}  // namespace muster::registry
