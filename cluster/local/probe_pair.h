#pragma once

#include <chrono>
#include <string>

#include "cluster/doctor.h"
#include "cluster/local/line_channel.h"
#include "cluster/local/probe_folder.h"
#include "cluster/local/probe_mpi.h"

/// Two probes measure what is between their nodes:
///
///   1. The listener listens where rank 0 of a gang would, on the port that its shim holds, and says so.
///   2. The caller connects and says "probe <id> <node>"; the listener answers "ok <node>".
///   3. The caller asks, a line each, and the listener does it and answers, "error <why>" when it cannot:
///        time                     nanoseconds since 1970
///        reduce <floats>          "ok", then both run an all-reduce of so many
///        dial <address> <port>    connects there, for the other way
///        sees <node>              "yes" or "no": that node's token
///        mpi <secret>                 the port where mpirun's daemon is started for who knows it; "unmpi" ends that
///        create|replace <name> <text>, exclusive <name> ("won" or "lost"), lock <name>, unlock
///        end
///
/// Only what carries the doctor's id is listened to, and names are of its own folder. Nothing here outlives the probe.

namespace muster::cluster::local {

struct ProbeSide {
  std::string id, node;
  std::string address;  ///< of this node, for others
  int port = 0;         ///< that its shim holds
  std::chrono::milliseconds patience{};
  std::filesystem::path
      self_executable;  ///< empty: mpirun is left out. As MpiSide, likewise the next
  Environment marks;
};

/// Steps 1 to 3 of the listener. kUnavailable when nobody called.
Status AnswerProbe(Listener& listener, const ProbeSide& self, const ProbeFolder& folder);

/// The caller's. Never an error: what fails is in the facts.
PairFacts MeasurePair(const ProbeSide& self, const std::string& to, const std::string& address,
                      int port, const ProbeFolder& folder);

}  // namespace muster::cluster::local
