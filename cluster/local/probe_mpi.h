#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "cluster/local/spawn.h"
#include "cluster/local/start_server.h"
#include "runtime/base/result.h"

/// mpirun's hello between two nodes, started as a gang's is: no ssh, mpirun's daemon on the other node is started by
/// `muster remote-start` (start_server.h), for the probe there in the place of a shim.

namespace muster::cluster::local {

struct MpiSide {
  std::filesystem::path self_executable;  ///< `muster`, at one path on both nodes
  std::string address;                    ///< of this node, for the other
  Environment marks;  ///< MUSTER_HOME_ID and MUSTER_ATTEMPT, so that nothing outlives the attempt
};

/// The other node's part, on a thread of its own: runs mpirun's daemon for whom the secret is known to, once.
class DaemonForHello {
 public:
  static Result<std::unique_ptr<DaemonForHello>> Open(const MpiSide& side,
                                                      const std::string& secret);
  /// Kills the daemon if it still runs.
  ~DaemonForHello();
  DaemonForHello(const DaemonForHello&) = delete;
  DaemonForHello& operator=(const DaemonForHello&) = delete;

  [[nodiscard]] int port() const { return port_; }

 private:
  DaemonForHello() = default;
  void Run(const MpiSide& side);

  int listener_ = -1, port_ = 0;
  std::filesystem::path scratch_;
  StartServer starts_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

/// One rank here and one there say hello (MpiHello). The seconds that it took; kUnavailable with mpirun's first words.
Result<double> HelloAcross(const MpiSide& side, const std::string& there, int port,
                           const std::string& secret);

/// One of two ranks: MPI_Init, an all-reduce, MPI_Finalize. Open MPI's library is looked for when this is called. The
/// exit code, with a word on standard error.
int MpiHello();

/// How a command ended, and what it wrote, both streams together. Its whole group is killed after 10 s.
struct Ended {
  int code = -1;  ///< exit code, or -1
  std::string output;
};
Ended RunCommand(std::vector<std::string> command, const Environment& environment,
                 const std::filesystem::path& scratch);
/// The first line that says something: Open MPI frames its words with rules of dashes.
std::string FirstWords(const std::string& text);

}  // namespace muster::cluster::local
