#include "cluster/local/topology.h"

#include <dlfcn.h>
#include <hwloc.h>
#include <sched.h>

#include <array>
#include <cstdio>
#include <filesystem>

namespace muster::cluster::local {
namespace {

/// hwloc's functions, as its header declares them.
class Library {
 public:
  Library() : handle_(dlopen("libhwloc.so.15", RTLD_NOW | RTLD_LOCAL)) {
    found_ = handle_ != nullptr && Find(init, "hwloc_topology_init") &&
             Find(destroy, "hwloc_topology_destroy") && Find(load, "hwloc_topology_load") &&
             Find(set_synthetic, "hwloc_topology_set_synthetic") &&
             Find(set_io, "hwloc_topology_set_io_types_filter") &&
             Find(type_depth, "hwloc_get_type_depth") && Find(count, "hwloc_get_nbobjs_by_depth") &&
             Find(object, "hwloc_get_obj_by_depth") && Find(isset, "hwloc_bitmap_isset") &&
             Find(next, "hwloc_bitmap_next");
  }
  ~Library() {
    if (handle_ != nullptr) dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  [[nodiscard]] bool found() const { return found_; }

  decltype(&hwloc_topology_init) init = nullptr;
  decltype(&hwloc_topology_destroy) destroy = nullptr;
  decltype(&hwloc_topology_load) load = nullptr;
  decltype(&hwloc_topology_set_synthetic) set_synthetic = nullptr;
  decltype(&hwloc_topology_set_io_types_filter) set_io = nullptr;
  decltype(&hwloc_get_type_depth) type_depth = nullptr;
  decltype(&hwloc_get_nbobjs_by_depth) count = nullptr;
  decltype(&hwloc_get_obj_by_depth) object = nullptr;
  decltype(&hwloc_bitmap_isset) isset = nullptr;
  decltype(&hwloc_bitmap_next) next = nullptr;

 private:
  template <typename Function>
  bool Find(Function& function, const char* symbol) {
    function = reinterpret_cast<Function>(dlsym(handle_, symbol));
    return function != nullptr;
  }
  void* handle_;
  bool found_ = false;
};

class Reading {
 public:
  Reading(const Library& hwloc, hwloc_topology_t topology, const cpu_set_t* usable)
      : hwloc_(hwloc), topology_(topology), usable_(usable) {}

  Topology All() {
    Topology all;
    const int depth = hwloc_.type_depth(topology_, HWLOC_OBJ_CORE);
    const unsigned cores = depth < 0 ? 0 : hwloc_.count(topology_, depth);
    for (unsigned i = 0; i < cores; ++i) AddCore(all, *hwloc_.object(topology_, depth, i));
    const unsigned devices = hwloc_.count(topology_, HWLOC_TYPE_DEPTH_PCI_DEVICE);
    for (unsigned i = 0; i < devices; ++i)
      AddDevice(all, *hwloc_.object(topology_, HWLOC_TYPE_DEPTH_PCI_DEVICE, i));
    return all;
  }

 private:
  void AddCore(Topology& all, const hwloc_obj& object) const {
    Core core{.numa = NumaOf(object)};
    for (int cpu = hwloc_.next(object.cpuset, -1); cpu >= 0;
         cpu = hwloc_.next(object.cpuset, cpu)) {
      if (usable_ == nullptr || (cpu < CPU_SETSIZE && CPU_ISSET(cpu, usable_) != 0))
        core.cpus.push_back(cpu);
    }
    if (!core.cpus.empty()) all.cores.push_back(std::move(core));
  }
  /// GPUs are display controllers (class 03); what lies at them is the nearest object above that has CPUs.
  void AddDevice(Topology& all, const hwloc_obj& object) const {
    const auto& pci = object.attr->pcidev;
    const hwloc_obj* parent = object.parent;
    while (parent != nullptr && parent->nodeset == nullptr) parent = parent->parent;
    if (pci.class_id >> 8 != 3 || parent == nullptr) return;
    std::array<char, 32> address{};
    std::snprintf(address.data(), address.size(), "%04x:%02x:%02x.%x", pci.domain, pci.bus, pci.dev,
                  pci.func);
    const bool one = hwloc_.next(parent->nodeset, hwloc_.next(parent->nodeset, -1)) < 0;
    if (one) all.gpus[address.data()] = NumaOf(*parent);
  }
  /// By its place among the machine's NUMA nodes, whatever the kernel's number.
  [[nodiscard]] int NumaOf(const hwloc_obj& object) const {
    const unsigned nodes = hwloc_.count(topology_, HWLOC_TYPE_DEPTH_NUMANODE);
    for (unsigned i = 0; i < nodes; ++i) {
      const hwloc_obj* node = hwloc_.object(topology_, HWLOC_TYPE_DEPTH_NUMANODE, i);
      if (object.nodeset != nullptr && hwloc_.isset(object.nodeset, node->os_index) != 0)
        return static_cast<int>(i);
    }
    return 0;
  }

  const Library& hwloc_;
  hwloc_topology_t topology_;
  const cpu_set_t* usable_;
};

}  // namespace

Result<Topology> ReadTopology(const std::string& synthetic) {
  const Library hwloc;
  if (!hwloc.found()) return Unavailable("libhwloc.so.15 is not there; apt-get install libhwloc15");
  hwloc_topology_t topology = nullptr;
  if (hwloc.init(&topology) != 0) return Internal("hwloc_topology_init failed");
  const bool real = synthetic.empty();
  const bool described = real || hwloc.set_synthetic(topology, synthetic.c_str()) == 0;
  // To look for devices takes longer than all the rest.
  std::error_code ignored;
  const bool gpus = real && std::filesystem::exists("/proc/driver/nvidia", ignored);
  if (!described || (gpus && hwloc.set_io(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT) != 0) ||
      hwloc.load(topology) != 0) {
    hwloc.destroy(topology);
    return described ? Internal("hwloc cannot read this machine")
                     : Invalid("'" + synthetic + "' describes no machine to hwloc");
  }
  cpu_set_t usable;
  const bool known = real && sched_getaffinity(0, sizeof usable, &usable) == 0;
  Topology all = Reading(hwloc, topology, known ? &usable : nullptr).All();
  hwloc.destroy(topology);
  return all;
}

bool HasSeveralNumaNodes() {
  std::error_code ignored;
  return std::filesystem::exists("/sys/devices/system/node/node0", ignored) &&
         std::filesystem::exists("/sys/devices/system/node/node1", ignored);
}

}  // namespace muster::cluster::local
