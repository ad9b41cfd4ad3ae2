#pragma once

namespace muster::coordinator {

/// A label that every node has: its own id. So a trial can ask for one node.
inline constexpr const char* kNodeLabel = "muster.node";

}  // namespace muster::coordinator
