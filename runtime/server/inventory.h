#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace muster::server {

/// What a node has for trials, as its Hello says it (wire::Hello).
struct Inventory {
  int slots = 1;
  int gpus = 0;
  std::vector<std::int64_t> gpu_memory;
  std::map<std::string, std::int64_t> resources;
  std::map<std::string, std::string> labels;
};

}  // namespace muster::server
