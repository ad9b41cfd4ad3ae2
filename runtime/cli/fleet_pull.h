#pragma once

#include "runtime/cli/context.h"

/// `muster fleet pull`: the reference of what a device does (registry/fleet/manifest.h numbers it).
///
///   DIR/current            a link to versions/N, swapped by rename: what reads DIR/current/model.onnx sees one version or the
///                          other
///   DIR/versions/N         whole: it appears by rename once all digests fit. The one before stays, so that going back needs
///                          no download
///   DIR/state.json         {"model", "sequence", "etag", "version"} of the last manifest that was followed

namespace muster::cli {

void AddFleetPull(CLI::App& fleet, Context& context);

}  // namespace muster::cli
