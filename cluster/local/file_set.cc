#include "cluster/local/file_set.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace muster::cluster::local {
namespace {

bool StaysWithin(std::string_view path) {
  if (path.empty() || path.size() > kFilePathBytesMax || path.find('\0') != path.npos) return false;
  while (true) {
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == "..") return false;
    if (part.size() == path.size()) return true;
    path.remove_prefix(part.size() + 1);
  }
}

bool IsDigest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// Content of that length: a digest alone would do, were all lists honest.
std::string ContentOf(const FileEntry& file) {
  return file.sha256 + ":" + std::to_string(file.bytes);
}

}  // namespace

Status CheckFileSet(const FileSet& files) {
  if (files.size() > kFileSetMax) {
    return Invalid("a list of " + std::to_string(files.size()) + " files; wanted at most " +
                   std::to_string(kFileSetMax));
  }
  std::set<std::string_view> folders;
  for (const FileEntry& file : files) {
    if (!StaysWithin(file.path))
      return Invalid("'" + file.path.substr(0, 100) + "': wanted a path within the folder");
    if (file.bytes < 0 || !IsDigest(file.sha256))
      return Invalid("'" + file.path + "': wanted a length and 64 hex digits of SHA-256");
    for (std::size_t at = file.path.find('/'); at != std::string::npos;
         at = file.path.find('/', at + 1)) {
      folders.insert(std::string_view(file.path).substr(0, at));
    }
  }
  const auto ordered = std::ranges::adjacent_find(
      files, [](const FileEntry& a, const FileEntry& b) { return a.path >= b.path; });
  if (ordered != files.end())
    return Invalid("'" + std::next(ordered)->path + "': wanted paths in order, each once");
  for (const FileEntry& file : files) {
    if (folders.contains(file.path))
      return Invalid("'" + file.path + "' is a file and a folder with files");
  }
  return Ok();
}

Transfer PlanTransfer(const FileSet& have, const FileSet& want) {
  std::unordered_map<std::string, const FileEntry*> there;
  for (const FileEntry& file : have) there.emplace(ContentOf(file), &file);
  Transfer plan;
  std::unordered_set<std::string> fetched;
  for (const FileEntry& file : want) {
    const std::string content = ContentOf(file);
    const auto found = there.find(content);
    if (found != there.end()) {
      // Under its own name where it has that: then nothing moves at all.
      const auto same = std::ranges::lower_bound(have, file.path, {}, &FileEntry::path);
      const bool stays = same != have.end() && *same == file;
      plan.keep.push_back({.path = file.path, .from = stays ? file.path : found->second->path});
      continue;
    }
    plan.place.push_back(file);
    if (!fetched.insert(content).second) continue;
    plan.fetch.push_back(file);
    plan.bytes += file.bytes;
  }
  return plan;
}

}  // namespace muster::cluster::local
