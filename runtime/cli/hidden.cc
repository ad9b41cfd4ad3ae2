#include "runtime/cli/hidden.h"

#include <string>
#include <string_view>
#include <vector>

#include "cluster/local/inspect.h"
#include "cluster/local/shim.h"

namespace muster::cli {

std::optional<int> RunHidden(int argc, char** argv) {
  if (argc < 2) return std::nullopt;
  const std::string_view command = argv[1];
  const std::vector<std::string> args(argv + 2, argv + argc);
  if (command == "shim") return cluster::local::ShimMain(args);
  if (command == "rank") return cluster::local::RankMain(args);
  if (command == "remote-start") return cluster::local::RemoteStartMain(args);
  if (command == "inspect") return cluster::local::InspectMain(args);
  return std::nullopt;
}

}  // namespace muster::cli
