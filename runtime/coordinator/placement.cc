#include "runtime/coordinator/placement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/coordinator/node_label.h"

namespace muster::coordinator {
namespace {

constexpr int kWhole = 1'000;

bool HasLabels(const Node& node, const GangShape& shape) {
  return std::ranges::all_of(shape.labels, [&](const auto& wanted) {
    if (wanted.first == kNodeLabel) return wanted.second == node.id.value;
    const auto found = node.labels.find(wanted.first);
    return found != node.labels.end() && found->second == wanted.second;
  });
}

bool HasMemory(const Device& device, std::int64_t held, std::int64_t wanted) {
  return device.memory_bytes == 0 || device.memory_bytes - held >= wanted;
}

/// Shares of the gang's size that the device can hold beside `milli` and `memory`, which are taken.
int SharesOn(const Device& device, const GangShape& shape, int milli, std::int64_t memory) {
  std::int64_t shares = (kWhole - milli) / shape.gpu_milli;
  if (shape.gpu_memory > 0 && device.memory_bytes > 0) {
    shares = std::min(shares, (device.memory_bytes - memory) / shape.gpu_memory);
  }
  return static_cast<int>(std::max<std::int64_t>(0, shares));
}

int RanksOfDevices(const Node& node, const GangShape& shape, Count count) {
  int whole = 0, shares = 0;
  for (const Device& device : node.devices) {
    const bool all = count == Count::kAll;
    const int milli = all ? 0 : device.milli_held;
    const std::int64_t memory = all ? 0 : device.memory_held;
    if (milli == 0 && HasMemory(device, 0, shape.gpu_memory)) ++whole;
    if (shape.gpu_milli > 0) shares += SharesOn(device, shape, milli, memory);
  }
  return shape.gpu_milli > 0 ? shares : whole / shape.gpus;
}

/// The device for one more share: where the least is left.
int DeviceForShare(const std::vector<Device>& devices, const GangShape& shape) {
  int best = -1;
  for (int index = 0; index < static_cast<int>(devices.size()); ++index) {
    const Device& device = devices[static_cast<std::size_t>(index)];
    if (SharesOn(device, shape, device.milli_held, device.memory_held) == 0) continue;
    if (best < 0 || device.milli_held > devices[static_cast<std::size_t>(best)].milli_held) {
      best = index;
    }
  }
  MUSTER_CHECK(best >= 0, "a share is placed where none fits");
  return best;
}

std::vector<wire::DeviceShare> DevicesFor(const Node& node, const GangShape& shape, int ranks) {
  std::vector<wire::DeviceShare> taken;
  std::vector<Device> devices = node.devices;
  for (int share = 0; shape.gpu_milli > 0 && share < ranks; ++share) {
    const int index = DeviceForShare(devices, shape);
    devices[static_cast<std::size_t>(index)].milli_held += shape.gpu_milli;
    devices[static_cast<std::size_t>(index)].memory_held += shape.gpu_memory;
    taken.push_back({index, shape.gpu_milli, shape.gpu_memory});
  }
  const auto wanted = static_cast<std::size_t>(shape.gpus) * static_cast<std::size_t>(ranks);
  for (int index = 0; taken.size() < wanted && index < static_cast<int>(devices.size()); ++index) {
    const Device& device = devices[static_cast<std::size_t>(index)];
    if (device.milli_held == 0 && HasMemory(device, 0, shape.gpu_memory)) {
      taken.push_back({index, kWhole, shape.gpu_memory});
    }
  }
  return taken;
}

bool Lasts(const Node& node, UnixMillis until) {
  return node.lasts_until_ms == 0 || node.lasts_until_ms >= until;
}

/// Rooms by how many ranks they hold, most first; those that hold none left out.
std::vector<Part> PartsOf(std::vector<Room>& rooms, const GangShape& shape, Count count,
                          UnixMillis until = 0) {
  std::vector<Part> parts;
  for (Room& room : rooms) {
    if (room.reserved || !Lasts(*room.node, until)) continue;
    const int fit = RanksThatFit(*room.node, shape, count);
    // Of no use but for the whole: then it is first below, or one like it.
    if (shape.mpi && !room.node->remote_start && fit < shape.ranks) continue;
    if (fit > 0) parts.push_back({&room, fit});
  }
  std::ranges::stable_sort(parts, std::greater(), &Part::ranks);
  return parts;
}

/// The first of them, cut to the gang's size; empty when they hold less or are too many.
std::vector<Part> Spread(std::vector<Part> parts, const GangShape& shape) {
  int left = shape.ranks;
  std::size_t used = 0;
  while (left > 0 && used < parts.size()) {
    parts[used].ranks = std::min(parts[used].ranks, left);
    left -= parts[used++].ranks;
  }
  if (left > 0 || (shape.most_nodes > 0 && static_cast<int>(used) > shape.most_nodes)) return {};
  parts.resize(used);
  return parts;
}

/// A job is for one gang: none reaches from one job into another, or beyond.
std::vector<Part> SpreadWithin(const std::vector<Part>& parts, const GangShape& shape) {
  std::map<AllocationId, std::vector<Part>> by_job;  // by an empty id: nodes that are for all
  for (const Part& part : parts) {
    const Node& node = *part.room->node;
    by_job[node.only.empty() ? AllocationId() : node.allocation].push_back(part);
  }
  for (auto& [job, own] : by_job) {
    if (auto spread = Spread(std::move(own), shape); !spread.empty()) return spread;
  }
  return {};
}

}  // namespace

int Node::free() const { return std::max(0, slots - static_cast<int>(holders.size())); }

std::set<AttemptEpoch> Node::attempts() const {
  std::set<AttemptEpoch> epochs;
  for (const auto& [slot, epoch] : holders) epochs.insert(epoch);
  return epochs;
}

int Node::free_devices() const {
  return static_cast<int>(std::ranges::count(devices, 0, &Device::milli_held));
}

GangShape ShapeOf(const wire::SweepSpec& spec) {
  const wire::ResourceSpec& each = spec.trial.resources;
  GangShape shape;
  shape.ranks = spec.trial.ranks;
  shape.cpus = each.cpu;
  shape.gpus = each.gpu >= 1 ? static_cast<int>(each.gpu) : 0;
  shape.gpu_milli = each.gpu < 1 ? static_cast<int>(std::lround(each.gpu * kWhole)) : 0;
  shape.gpu_memory = each.gpu_memory_bytes;
  shape.amounts = each.custom;
  if (each.memory_bytes > 0) shape.amounts["memory"] = each.memory_bytes;
  shape.labels = spec.trial.labels;
  shape.most_nodes = spec.trial.nodes;
  shape.mpi = !spec.trial.program.empty();
  return shape;
}

Node NodeOf(const wire::PoolSpec& pool) {
  Node node;
  node.id = NodeId("of pool " + pool.name);
  node.remote_start = true;  // its agents are of this muster
  node.slots = pool.slots;
  node.devices.resize(static_cast<std::size_t>(pool.gpus));
  if (pool.memory_bytes > 0) node.resources["memory"] = pool.memory_bytes;
  node.labels = pool.labels;
  return node;
}

Amounts AmountsOf(const GangShape& shape, int ranks) {
  Amounts all;
  for (const auto& [name, each] : shape.amounts) all[name] = each * ranks;
  all["cpu"] = std::int64_t{shape.cpus} * ranks;
  if (const int milli = shape.gpus * kWhole + shape.gpu_milli; milli > 0) {
    all["gpu"] = std::int64_t{milli} * ranks;
  }
  return all;
}

int RanksThatFit(const Node& node, const GangShape& shape, Count count) {
  std::int64_t fit = (count == Count::kAll ? node.slots : node.free()) / shape.cpus;
  if (fit == 0 || !HasLabels(node, shape) || shape.excluded.contains(node.id)) return 0;
  if (!node.only.empty() && node.only != shape.sweep) return 0;
  for (const auto& [name, each] : shape.amounts) {
    const auto has = node.resources.find(name);
    if (has == node.resources.end() && name == "memory") continue;
    const auto held = node.held.find(name);
    std::int64_t left = has == node.resources.end() ? 0 : has->second;
    if (count == Count::kFree && held != node.held.end()) left -= held->second;
    if (each > 0) fit = std::min(fit, std::max<std::int64_t>(0, left) / each);
  }
  if (shape.gpus > 0 || shape.gpu_milli > 0) {
    fit = std::min<std::int64_t>(fit, RanksOfDevices(node, shape, count));
  }
  return static_cast<int>(fit);
}

Placement PlaceOn(const Node& node, const GangShape& shape, int first_rank, int ranks) {
  Placement place{node.id, first_rank, ranks, {}, DevicesFor(node, shape, ranks)};
  const auto wanted = static_cast<std::size_t>(shape.cpus) * static_cast<std::size_t>(ranks);
  for (int slot = 0; slot < node.slots && place.slots.size() < wanted; ++slot) {
    if (!node.holders.contains(slot)) place.slots.push_back(slot);
  }
  return place;
}

void Hold(Node& node, const Placement& place, const GangShape& shape, AttemptEpoch epoch) {
  for (const int slot : place.slots) {
    MUSTER_CHECK(node.holders.emplace(slot, epoch).second, "a slot has one holder");
  }
  for (const wire::DeviceShare& share : place.devices) {
    if (share.device >= static_cast<int>(node.devices.size())) continue;  // it has fewer by now
    Device& device = node.devices[static_cast<std::size_t>(share.device)];
    device.milli_held += share.milli;
    device.memory_held += share.memory_bytes;
  }
  for (const auto& [name, each] : shape.amounts) node.held[name] += each * place.ranks;
}

void Release(Node& node, const Placement& place, const GangShape& shape) {
  for (const int slot : place.slots) node.holders.erase(slot);
  for (const wire::DeviceShare& share : place.devices) {
    if (share.device >= static_cast<int>(node.devices.size())) continue;
    Device& device = node.devices[static_cast<std::size_t>(share.device)];
    device.milli_held -= share.milli;
    device.memory_held -= share.memory_bytes;
  }
  for (const auto& [name, each] : shape.amounts) node.held[name] -= each * place.ranks;
}

std::vector<Part> FindPlace(std::vector<Room>& rooms, const GangShape& shape, UnixMillis until) {
  const bool wants_gpus = shape.gpus > 0 || shape.gpu_milli > 0;
  // Nodes whose GPUs would lie idle come last.
  const auto cost = [&](const Node& node) {
    return std::pair(!wants_gpus && !node.devices.empty(), node.free());
  };
  Room* best = nullptr;
  for (Room& room : rooms) {
    if (room.reserved || !Lasts(*room.node, until)) continue;
    if (RanksThatFit(*room.node, shape, Count::kFree) < shape.ranks) continue;
    if (best == nullptr || cost(*room.node) < cost(*best->node)) best = &room;
  }
  if (best != nullptr) return {{best, shape.ranks}};
  if (shape.most_nodes == 1) return {};
  return SpreadWithin(PartsOf(rooms, shape, Count::kFree, until), shape);
}

std::vector<Part> Reserve(std::vector<Room>& rooms, const GangShape& shape, UnixMillis until) {
  if (shape.most_nodes != 1) {
    std::vector<Part> parts = SpreadWithin(PartsOf(rooms, shape, Count::kAll, until), shape);
    for (const Part& part : parts) part.room->reserved = true;
    return parts;
  }
  Room* best = nullptr;
  const auto soon = [](const Node& node) { return node.free() + node.stopping_slots; };
  for (Room& room : rooms) {
    if (room.reserved || !Lasts(*room.node, until)) continue;
    if (RanksThatFit(*room.node, shape, Count::kAll) < shape.ranks) continue;
    if (best == nullptr || soon(*room.node) > soon(*best->node)) best = &room;
  }
  if (best == nullptr) return {};
  best->reserved = true;
  return {{best, shape.ranks}};
}

bool CouldHold(std::vector<Room>& rooms, const GangShape& shape) {
  return !Spread(PartsOf(rooms, shape, Count::kAll), shape).empty();
}

Capacity CapacityFor(const std::vector<Room>& rooms, const GangShape& shape) {
  std::int64_t all = 0, now = 0;
  const int whole = shape.most_nodes == 1 ? shape.ranks : 1;  // a part that is of use by itself
  for (const Room& room : rooms) {
    all += RanksThatFit(*room.node, shape, Count::kAll) / whole * whole;
    now += RanksThatFit(*room.node, shape, Count::kFree) / whole * whole;
  }
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  return {static_cast<int>(std::min(kMost, all / shape.ranks)),
          static_cast<int>(std::min(kMost, now / shape.ranks))};
}

}  // namespace muster::coordinator
