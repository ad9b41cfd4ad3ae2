#include "cluster/local/cgroups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "runtime/base/file.h"
#include "runtime/base/log.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;

Status WriteControl(const fs::path& file, const std::string& text) {
  const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC | O_CREAT, 0644);
  if (fd < 0) return IoError("open " + file.string(), errno);
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  close(fd);
  return written ? Ok() : Status(IoError("write '" + text + "' to " + file.string(), error));
}

/// Words of cgroup.controllers and the like.
bool HasWord(const fs::path& file, const std::string& word) {
  const auto text = ReadWholeFile(file);
  std::istringstream words(text.ok() ? *text : "");
  return std::find(std::istream_iterator<std::string>(words), {}, word) !=
         std::istream_iterator<std::string>();
}

bool IsGroup(const fs::path& folder) {
  std::error_code ignored;
  const fs::path members = folder / "cgroup.procs";
  return fs::exists(members, ignored) && access(members.c_str(), W_OK) == 0 &&
         access(folder.c_str(), W_OK) == 0;
}

/// Version 2: can children of `parent` have a limit of this controller? It is asked for when they have none yet;
/// the kernel refuses where processes sit in `parent` itself.
bool Gives(const fs::path& parent, const std::string& controller) {
  const fs::path control = parent / "cgroup.subtree_control";
  if (HasWord(control, controller)) return true;
  if (!HasWord(parent / "cgroup.controllers", controller)) return false;
  return WriteControl(control, "+" + controller).ok() && HasWord(control, controller);
}

/// cgroups(7) and the kernel's admin-guide/cgroup-v2.rst, by Controller.
struct Kind {
  const char* name;
  const char* file_one;
  const char* file_two;
};
constexpr std::array<Kind, 3> kKinds{{{"memory", "memory.limit_in_bytes", "memory.max"},
                                      {"cpu", "cpu.shares", "cpu.weight"},
                                      {"pids", "pids.max", "pids.max"}}};

/// What stands in the file of a limit; empty for none.
std::string Value(Controller controller, const GroupLimits& limits, bool version_two) {
  constexpr std::int64_t kWeightOfACpu = 100;  // the default of a group, and so of one CPU
  constexpr std::int64_t kWeightMost = 10'000;
  constexpr std::int64_t kSharesOfACpu = 1024;
  constexpr std::int64_t kSharesMost = 262'144;
  std::int64_t value = limits.memory_bytes;
  if (controller == Controller::kPids) value = limits.tasks;
  if (controller == Controller::kCpu) {
    value = version_two ? std::min(limits.cpus * kWeightOfACpu, kWeightMost)
                        : std::min(limits.cpus * kSharesOfACpu, kSharesMost);
  }
  return value > 0 ? std::to_string(value) : "";
}

}  // namespace

std::string OwnGroup(std::string_view self, std::string_view controller) {
  while (!self.empty()) {
    const std::string_view line = self.substr(0, self.find('\n'));
    self.remove_prefix(std::min(self.size(), line.size() + 1));
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    std::string_view names = line.substr(first + 1, second - first - 1);
    bool found = names == controller;
    while (!names.empty() && !found) {  // "cpu,cpuacct"
      const std::string_view name = names.substr(0, names.find(','));
      found = name == controller;
      names.remove_prefix(std::min(names.size(), name.size() + 1));
    }
    if (found) return std::string(line.substr(second + 1));
  }
  return "";
}

Cgroups Cgroups::Find(const fs::path& root, std::string_view self) {
  Cgroups found;
  found.root_ = root.string();
  for (const fs::path& mount : {root, root / "unified"}) {
    std::error_code ignored;
    if (!fs::exists(mount / "cgroup.controllers", ignored)) continue;
    const fs::path own = mount / fs::path(OwnGroup(self, "")).relative_path();
    // A service that was given a subtree sits in a child of it.
    for (const fs::path& parent : {own, own.parent_path()}) {
      if (!IsGroup(parent)) continue;
      // Memory first: a parent that is refused it has processes of its own, and asked for the others it would become
      // one of threads, whose children take no process.
      const bool memory = Gives(parent, kKinds[0].name);
      if (!found.kill_.empty() && !memory) continue;
      found.kill_ = parent;
      for (std::size_t i = 0; i < kKinds.size(); ++i) {
        const bool given = memory ? Gives(parent, kKinds[i].name)
                                  : HasWord(parent / "cgroup.subtree_control", kKinds[i].name);
        found.places_[i] = given ? Place{parent, true} : Place{};
      }
      if (memory) break;
    }
    break;
  }
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    const char* name = kKinds[i].name;
    const fs::path own = root / name / fs::path(OwnGroup(self, name)).relative_path();
    if (found.places_[i].parent.empty() && IsGroup(own)) found.places_[i] = {own, false};
  }
  return found;
}

std::string Cgroups::why_not() const {
  std::string missing;
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    if (places_[i].parent.empty())
      missing += (missing.empty() ? "" : ", ") + std::string(kKinds[i].name);
  }
  return missing.empty() ? ""
                         : "no control group under " + root_ +
                               " may be made by this user with a limit of " + missing;
}

std::vector<fs::path> Cgroups::Make(const std::string& name, const GroupLimits& limits) const {
  std::vector<fs::path> groups;
  const auto make = [&](const fs::path& parent) {
    const fs::path group = parent / name;
    if (std::ranges::find(groups, group) != groups.end()) return true;
    if (mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) {
      LogWarning("agent", IoError("make control group " + group.string(), errno).message);
      return false;
    }
    groups.push_back(group);
    return true;
  };
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    const Place& place = places_[i];
    const std::string value = Value(static_cast<Controller>(i), limits, place.version_two);
    if (place.parent.empty() || value.empty() || !make(place.parent)) continue;
    const char* file = place.version_two ? kKinds[i].file_two : kKinds[i].file_one;
    const Status written = WriteControl(place.parent / name / file, value);
    if (!written.ok()) LogWarning("agent", written.error().message);
  }
  if (!kill_.empty()) make(kill_);
  return groups;
}

void Cgroups::DeleteEmpty(std::string_view prefix, std::chrono::seconds age) const {
  std::set<fs::path> parents;
  for (const Place& place : places_) parents.insert(place.parent);
  parents.insert(kill_);
  const auto now = fs::file_time_type::clock::now();
  std::error_code ignored;
  for (const fs::path& parent : parents) {
    if (parent.empty()) continue;
    for (const auto& entry : fs::directory_iterator(parent, ignored)) {
      const fs::path& group = entry.path();
      if (!group.filename().string().starts_with(prefix)) continue;
      if (now - entry.last_write_time(ignored) < age) continue;
      rmdir(group.c_str());  // refused while there are processes in it
    }
  }
}

void KillCgroups(const std::vector<fs::path>& groups) {
  for (const fs::path& group : groups) {
    std::error_code ignored;
    if (!fs::exists(group / "cgroup.kill", ignored)) continue;  // before Linux 5.14
    const Status killed = WriteControl(group / "cgroup.kill", "1");
    if (!killed.ok()) LogWarning("agent", killed.error().message);
  }
}

std::vector<int> ProcessesOfCgroups(const std::vector<fs::path>& groups) {
  std::vector<int> pids;
  for (const fs::path& group : groups) {
    std::ifstream file(group / "cgroup.procs");
    std::copy(std::istream_iterator<int>(file), {}, std::back_inserter(pids));
  }
  return pids;
}

std::optional<std::chrono::milliseconds> CpuTimeOfCgroups(const std::vector<fs::path>& groups) {
  for (const fs::path& group : groups) {
    std::int64_t count = 0;
    std::string name;
    if (std::ifstream(group / "cpu.stat") >> name >> count && name == "usage_usec")
      return std::chrono::milliseconds(count / 1'000);
    if (std::ifstream(group / "cpuacct.usage") >> count)  // version 1, in ns
      return std::chrono::milliseconds(count / 1'000'000);
  }
  return std::nullopt;
}

Status RemoveCgroups(const std::vector<fs::path>& groups) {
  Status status;
  for (const fs::path& group : groups) {
    if (rmdir(group.c_str()) != 0 && errno != ENOENT)
      status = IoError("delete control group " + group.string(), errno);
  }
  return status;
}

}  // namespace muster::cluster::local
