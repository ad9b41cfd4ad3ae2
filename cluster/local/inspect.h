#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// A closer look at ranks that hang, by a process of its own: it may take seconds, and what it looks at may
/// hold it up. Its every step has a bound; the agent kills it when even that fails.

namespace muster::cluster::local {

/// `muster inspect ATTEMPT_DIR WHY RANK...`: what the named ranks and, for comparison, some others wait in.
///   1. For each: state, kernel stack (or wait channel), stacks of all threads through gdb or eu-stack.
///   2. The whole of it is appended to the ranks' err files, every line marked with "muster: ".
///   3. A few lines for the coordinator go to ATTEMPT_DIR/hang.txt, replaced atomically.
/// Stopped processes stay stopped; the others go on after a fraction of a second. MUSTER_HOME_ID is set as for
/// a shim. Answers 0, or 2 for wrong arguments.
int InspectMain(const std::vector<std::string>& args);

/// The function of the first frame that says more than how it waits ("main", "c10d::..."), of the main
/// thread in what gdb or eu-stack printed; else the first frame with a name; else empty.
std::string TellingFrame(std::string_view stacks);

/// "do_signal_stop < get_signal < ..." of /proc/PID/stack, without offsets and the common entry.
std::string KernelFrames(std::string_view stack);

}  // namespace muster::cluster::local
