// An agent in a process of its own, for a test to kill: HOME NODE ENDPOINT SERVER_KEY HELPER. Its key is in
// HOME/node.key.
#include <unistd.h>

#include <cstdio>

#include "runtime/server/agent_host.h"

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const std::filesystem::path home = argv[1];
  const auto keys = muster::net::LoadKeyPair(home / "node.key");
  if (!keys.ok()) return 3;
  const auto host = muster::server::AgentHost::Start({.home = home,
                                                      .self_executable = argv[5],
                                                      .node = muster::NodeId(argv[2]),
                                                      .has = {.slots = 2},
                                                      .endpoint = argv[3],
                                                      .keys = *keys,
                                                      .server_public_key = argv[4]});
  if (!host.ok()) {
    std::fprintf(stderr, "%s\n", host.error().message.c_str());
    return 4;
  }
  while (true) pause();
}
