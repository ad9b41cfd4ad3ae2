#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// Addresses as people write them: "tcp://host:port", "http://host:port". Names are resolved only where it says so.

namespace muster::server {

/// "host" of "scheme://host:port"; of "host:port" as well.
std::string HostOf(std::string_view url);
/// 0 when it has none.
std::uint16_t PortOf(std::string_view url);
/// The same with another host.
std::string WithHost(std::string_view url, std::string_view host);
/// Listens on every interface ("0.0.0.0", "*", "::"): no address that anybody can be sent to.
bool IsAnyHost(std::string_view host);
/// Of this machine alone.
bool IsLoopback(std::string_view host);
/// The address of this machine from which packets to that endpoint leave: kUnavailable when its host has no
/// address or no way leads there. Sends nothing; resolves the name.
Result<std::string> LocalAddressToward(std::string_view endpoint);
/// gethostname.
Result<std::string> HostName();

}  // namespace muster::server
