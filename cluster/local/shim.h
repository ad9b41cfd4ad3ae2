#pragma once

#include <string>
#include <vector>

/// The hidden subcommands of `muster` that stand between the agent and a trial's ranks. The formats
/// they share with the agent (attempt folder, sockets) are in cluster/README.md.

namespace muster::cluster::local {

/// `muster shim ATTEMPT_DIR`: the parent of the ranks of one attempt on one node. Started detached (own
/// session, parent is init), it outlives the agent and the coordinator; binds and keeps the rendezvous
/// port; waits to be told to start the ranks; appends their records to the spool; writes down how each
/// ended. Ends when every rank has ended and the agent has taken note of it by deleting the folder, or
/// when it is killed. Everything it starts carries MUSTER_HOME_ID and MUSTER_ATTEMPT in its environment.
/// The caller is a process of its own with one thread; `args` is what follows the subcommand's name. The
/// return value is the exit code: 0, or 2 for wrong arguments.
int ShimMain(const std::vector<std::string>& args);

/// `muster rank`: what mpirun starts in place of a rank. Sets the contract's RANK, WORLD_SIZE, ... from mpirun's
/// environment, sends output straight to the rank's spool files, runs the Prepare's command as a child and
/// writes rank<k>.exit when it ends, so that the rank that died first and its signal are known without
/// reading mpirun's prose. Answers as the command did (exit code, or the same signal).
int RankMain(const std::vector<std::string>& args);

/// `muster remote-start HOST COMMAND...`: what mpirun takes for ssh in a gang that spreads over nodes. Has the shim of
/// that node run mpirun's daemon (start_server.h) and stays as long as that runs; answers its exit code, or 1 when it
/// could not be started.
int RemoteStartMain(const std::vector<std::string>& args);

}  // namespace muster::cluster::local
