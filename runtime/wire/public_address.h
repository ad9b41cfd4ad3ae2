#pragma once

#include <string_view>

namespace muster::wire {

/// True for an IPv4 or IPv6 address, as text, that the whole internet can reach: none of loopback, link-local
/// (a cloud's metadata), private or shared networks, documentation, reserved. An IPv4 address inside an IPv6 one
/// (mapped, 6to4, NAT64) counts as itself. False for what is no address. After the registries of IANA
/// (iana-ipv4-special-registry, iana-ipv6-special-registry), as MLflow 3.18's _is_public_ip; stricter where Python
/// 3.11's table is older than they are. Pure.
bool IsPublicAddress(std::string_view address);

}  // namespace muster::wire
