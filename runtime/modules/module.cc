#include "runtime/modules/module.h"

#include <dlfcn.h>

#include <string>
#include <string_view>

namespace muster::modules {

Result<const void*> LoadTable(const std::filesystem::path& folder, const char* file,
                              const char* symbol) {
  // By its path: dlopen looks for a bare name where the calling library says, and with a sanitizer that is
  // the sanitizer's, not the program.
  const std::string path = (folder / file).string();
  const auto refused = [&] {
    const char* why = dlerror();
    return Error{ErrorKind::kIo,
                 path + ", a part of muster that lies beside the program, cannot be loaded: " +
                     (why == nullptr ? "no reason given" : why)};
  };
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return refused();
  const void* table = dlsym(library, symbol);
  if (table == nullptr) return refused();
  return table;
}

Status CheckVersion(const std::filesystem::path& folder, const char* file, const char* version) {
  if (std::string_view(version) == MUSTER_VERSION) return Ok();
  return Unsupported((folder / file).string() + " is of muster " + version + ", the program of " +
                     MUSTER_VERSION + "; install both from one build");
}

}  // namespace muster::modules
