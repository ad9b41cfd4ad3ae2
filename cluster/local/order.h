#pragma once

#include <boost/describe/class.hpp>
#include <string>
#include <vector>

#include "runtime/wire/messages.h"

/// What the agent tells a shim over its socket, one JSON object a line and a connection each.

namespace muster::wire {
// The codec's description of a struct that messages.cc keeps to itself.
BOOST_DESCRIBE_STRUCT(GangPart, (), (address, port, ranks))
}  // namespace muster::wire

namespace muster::cluster::local {

struct Order {
  std::string order;  ///< "start" or "signal"
  std::string master_address;
  int master_port = 0;
  std::vector<wire::GangPart> parts{};  ///< as in wire::Go
  int signal = 0;
};
BOOST_DESCRIBE_STRUCT(Order, (), (order, master_address, master_port, parts, signal))

}  // namespace muster::cluster::local
