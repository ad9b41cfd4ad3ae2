#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// Which network interface leads to a gang's other nodes, and how the libraries that ranks meet through are told. Left to
/// themselves each guesses: NCCL takes the first that is up (a container bridge, a management network), gloo what the
/// host name resolves to (127.0.1.1 on Debian).

namespace muster::cluster::local {

struct Interface {
  std::string name;     ///< "eth0"
  std::string address;  ///< IPv4, "10.0.3.7"
  int prefix = 32;      ///< bits of its network
  bool up = false;
  friend bool operator==(const Interface&, const Interface&) = default;
};

/// getifaddrs(3): one entry an IPv4 address.
Result<std::vector<Interface>> ListInterfaces();

/// The one that has `address`, else, where that is another address of a network (a name's, a gateway's), the one whose
/// network is the narrowest around it. Nothing: none, or `address` is no IPv4 address.
std::optional<Interface> InterfaceToward(const std::vector<Interface>& interfaces,
                                         const std::string& address);

/// Settings of NCCL, gloo and TensorPipe for it.
std::map<std::string, std::string> NetworkSettings(const Interface& interface);

}  // namespace muster::cluster::local
