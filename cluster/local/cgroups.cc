#include "cluster/local/cgroups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>

#include "runtime/base/file.h"
#include "runtime/base/log.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;

/// The caller's own group in one hierarchy: "4:memory:/a/b" for "memory", "0::/a/b" for "".
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

/// Version 2: can children of `parent` have a memory limit? It is asked for when they have none yet; the
/// kernel refuses where processes sit in `parent` itself.
bool GivesMemory(const fs::path& parent) {
  const fs::path control = parent / "cgroup.subtree_control";
  if (HasWord(control, "memory")) return true;
  if (!HasWord(parent / "cgroup.controllers", "memory")) return false;
  return WriteControl(control, "+memory").ok() && HasWord(control, "memory");
}

}  // namespace

Cgroups Cgroups::Find(const fs::path& root, std::string_view self) {
  Cgroups found;
  for (const fs::path& mount : {root, root / "unified"}) {
    std::error_code ignored;
    if (!fs::exists(mount / "cgroup.controllers", ignored)) continue;
    const fs::path own = mount / fs::path(OwnGroup(self, "")).relative_path();
    // A service that was given a subtree sits in a child of it.
    for (const fs::path& parent : {own, own.parent_path()}) {
      if (!IsGroup(parent)) continue;
      if (found.kill_.empty()) found.kill_ = parent;
      if (!GivesMemory(parent)) continue;
      found.kill_ = found.memory_ = parent;
      found.limit_file_ = "memory.max";
      break;
    }
    break;
  }
  const fs::path memory = root / "memory" / fs::path(OwnGroup(self, "memory")).relative_path();
  if (found.memory_.empty() && IsGroup(memory)) {
    found.memory_ = memory;
    found.limit_file_ = "memory.limit_in_bytes";
  }
  found.why_not_ = found.limits_memory() ? ""
                                         : "no control group under " + root.string() +
                                               " may be made by this user with a memory limit";
  return found;
}

std::vector<fs::path> Cgroups::Make(const std::string& name, std::int64_t memory_bytes) const {
  std::vector<fs::path> groups;
  const auto make = [&](const fs::path& parent) {
    const fs::path group = parent / name;
    if (mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) {
      LogWarning("agent", IoError("make control group " + group.string(), errno).message);
      return false;
    }
    groups.push_back(group);
    return true;
  };
  const bool limited = memory_bytes > 0 && limits_memory();
  if (limited && make(memory_)) {
    const Status written = WriteControl(groups.back() / limit_file_, std::to_string(memory_bytes));
    if (!written.ok()) LogWarning("agent", written.error().message);
  }
  if (!kill_.empty() && !(limited && kill_ == memory_)) make(kill_);
  return groups;
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

Status RemoveCgroups(const std::vector<fs::path>& groups) {
  Status status;
  for (const fs::path& group : groups) {
    if (rmdir(group.c_str()) != 0 && errno != ENOENT)
      status = IoError("delete control group " + group.string(), errno);
  }
  return status;
}

}  // namespace muster::cluster::local
