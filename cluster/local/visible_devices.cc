#include "cluster/local/visible_devices.h"

#include <algorithm>

namespace muster::cluster::local {
namespace {

bool IsName(const std::string& name) {
  if (name.starts_with("GPU-") || name.starts_with("MIG-")) return name.size() > 4;
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

std::vector<std::string> VisibleNames(const std::string& visible_devices) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= visible_devices.size();) {
    const std::size_t end = std::min(visible_devices.find(',', begin), visible_devices.size());
    std::string name = visible_devices.substr(begin, end - begin);
    name.erase(0, std::min(name.find_first_not_of(' '), name.size()));
    name.erase(name.find_last_not_of(' ') + 1);
    if (!IsName(name) || std::ranges::count(names, name) > 0) break;
    names.push_back(std::move(name));
    begin = end + 1;
  }
  return names;
}

std::string DeviceName(const std::string* visible_devices, int index) {
  if (visible_devices != nullptr) {
    const auto names = VisibleNames(*visible_devices);
    if (index >= 0 && static_cast<std::size_t>(index) < names.size())
      return names[static_cast<std::size_t>(index)];
  }
  return std::to_string(index);
}

}  // namespace muster::cluster::local
