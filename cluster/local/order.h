#pragma once

#include <boost/describe/class.hpp>
#include <string>

/// What the agent tells a shim over its socket, one JSON object a line and a connection each.

namespace muster::cluster::local {

struct Order {
  std::string order;  ///< "start" or "signal"
  std::string master_address;
  int master_port = 0;
  int signal = 0;
};
BOOST_DESCRIBE_STRUCT(Order, (), (order, master_address, master_port, signal))

}  // namespace muster::cluster::local
