#include "runtime/base/file_list.h"

#include <glob.h>

#include <algorithm>
#include <set>

namespace muster {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<fs::path>;

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool IsFolder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

Result<Paths> Matches(const std::string& pattern) {
  glob_t found{};
  const int code = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  Paths paths;
  if (code == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (code == GLOB_NOSPACE) return ResourceExhausted("no memory to list " + pattern);
  std::erase_if(paths, IsFolder);
  if (paths.empty()) return NotFound("no file matches " + pattern);
  return paths;
}

Result<Paths> FilesIn(const fs::path& folder, std::string_view suffix) {
  if (suffix.empty()) return Invalid(folder.string() + " is a folder; wanted a file");
  std::error_code error;
  Paths paths;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.ends_with(suffix) && !IsFolder(entry->path())) paths.push_back(entry->path());
  }
  if (error) return IoError("reading folder " + folder.string(), error.value());
  if (paths.empty()) {
    return NotFound("folder " + folder.string() + " holds no file named *" + std::string(suffix));
  }
  return paths;
}

Result<Paths> FilesOf(const std::string& part, std::string_view suffix) {
  if (part.empty()) return Invalid("a list of files has an empty name in it");
  if (IsFolder(part)) return FilesIn(part, suffix);
  if (Exists(part)) return Paths{part};
  if (part.find_first_of("*?[") == std::string::npos) return NotFound(part + " does not exist");
  return Matches(part);
}

}  // namespace

Result<Paths> ListFiles(std::string_view text, std::string_view suffix) {
  if (!text.empty() && Exists(text) && !IsFolder(text)) return Paths{fs::path(text)};
  Paths all;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    MUSTER_ASSIGN_OR_RETURN(Paths files,
                            FilesOf(std::string(text.substr(begin, end - begin)), suffix));
    std::ranges::sort(files, {}, [](const fs::path& path) { return path.string(); });
    all.insert(all.end(), files.begin(), files.end());
    begin = end + 1;
  }
  std::set<std::string> seen;
  for (const fs::path& path : all) {
    if (!seen.insert(path.lexically_normal().string()).second) {
      return Invalid(path.string() + " is named twice in " + std::string(text));
    }
  }
  return all;
}

}  // namespace muster
