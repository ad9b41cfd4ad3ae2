#pragma once

#include <optional>

namespace muster::cli {

/// `muster checkpoints pull DIR` and `muster checkpoints push DIR [STEP]`: what the shim of a node that does not share the
/// server's folder of checkpoints starts (cluster/local/checkpoint_push.h), for the attempt in DIR; with STEP a copy for
/// clones is made too. Answers the exit code, or nullopt when the arguments are a person's.
std::optional<int> RunCheckpoints(int argc, char** argv);

}  // namespace muster::cli
