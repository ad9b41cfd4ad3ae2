#include "cluster/local/interfaces.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <memory>

namespace muster::cluster::local {
namespace {

std::optional<std::uint32_t> NumberOf(const std::string& address) {
  in_addr bytes{};
  if (inet_pton(AF_INET, address.c_str(), &bytes) != 1) return std::nullopt;
  return ntohl(bytes.s_addr);
}

std::string TextOf(std::uint32_t address) {
  const in_addr bytes{.s_addr = htonl(address)};
  std::array<char, INET_ADDRSTRLEN> text{};
  inet_ntop(AF_INET, &bytes, text.data(), text.size());
  return text.data();
}

std::uint32_t MaskOf(int prefix) {
  return prefix <= 0 ? 0 : ~std::uint32_t{0} << (32 - std::min(prefix, 32));
}

std::uint32_t AddressOf(const sockaddr* generic) {
  return ntohl(reinterpret_cast<const sockaddr_in*>(generic)->sin_addr.s_addr);
}

}  // namespace

Result<std::vector<Interface>> ListInterfaces() {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return IoError("list the network interfaces", errno);
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owned(first, freeifaddrs);
  std::vector<Interface> all;
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    const int prefix =
        one->ifa_netmask == nullptr ? 32 : std::popcount(AddressOf(one->ifa_netmask));
    all.push_back({.name = one->ifa_name,
                   .address = TextOf(AddressOf(one->ifa_addr)),
                   .prefix = prefix,
                   .up = (one->ifa_flags & IFF_UP) != 0});
  }
  return all;
}

std::optional<Interface> InterfaceToward(const std::vector<Interface>& interfaces,
                                         const std::string& address) {
  const auto wanted = NumberOf(address);
  if (!wanted) return std::nullopt;
  const Interface* best = nullptr;
  for (const Interface& one : interfaces) {
    const auto own = NumberOf(one.address);
    if (!one.up || !own) continue;
    if (*own == *wanted) return one;
    const std::uint32_t mask = MaskOf(one.prefix);
    if ((*own & mask) == (*wanted & mask) && (best == nullptr || one.prefix > best->prefix))
      best = &one;
  }
  return best == nullptr ? std::nullopt : std::optional(*best);
}

std::map<std::string, std::string> NetworkSettings(const Interface& interface) {
  return {{"NCCL_SOCKET_IFNAME", "=" + interface.name},  // "=": this name, not all that begin so
          {"GLOO_SOCKET_IFNAME", interface.name},
          {"TP_SOCKET_IFNAME", interface.name}};
}

}  // namespace muster::cluster::local
