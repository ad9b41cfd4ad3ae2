#include "runtime/curl/library.h"

#include <dlfcn.h>

#include <string>

namespace muster::curl {
namespace {

constexpr const char* kFile = "libcurl.so.4";

template <typename Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

Result<Library> Open() {
  void* const library = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return Unsupported("asking other servers needs " + std::string(::dlerror()));
  Library curl{};
  const bool found = Find(library, "curl_global_init", curl.global_init) &&
                     Find(library, "curl_easy_init", curl.easy_init) &&
                     Find(library, "curl_easy_cleanup", curl.easy_cleanup) &&
                     Find(library, "curl_easy_reset", curl.easy_reset) &&
                     Find(library, "curl_easy_perform", curl.easy_perform) &&
                     Find(library, "curl_easy_setopt", curl.easy_setopt) &&
                     Find(library, "curl_easy_getinfo", curl.easy_getinfo) &&
                     Find(library, "curl_easy_strerror", curl.easy_strerror) &&
                     Find(library, "curl_slist_append", curl.slist_append) &&
                     Find(library, "curl_slist_free_all", curl.slist_free_all) &&
                     Find(library, "curl_multi_init", curl.multi_init) &&
                     Find(library, "curl_multi_cleanup", curl.multi_cleanup) &&
                     Find(library, "curl_multi_add_handle", curl.multi_add_handle) &&
                     Find(library, "curl_multi_remove_handle", curl.multi_remove_handle) &&
                     Find(library, "curl_multi_perform", curl.multi_perform) &&
                     Find(library, "curl_multi_poll", curl.multi_poll) &&
                     Find(library, "curl_multi_info_read", curl.multi_info_read);
  if (!found) {
    return Unsupported(std::string(kFile) + " is too old: " + ::dlerror() +
                       "; wanted 7.85 or newer");
  }
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return Internal("libcurl does not start");
  return curl;
}

}  // namespace

Result<const Library*> Load() {
  static const Result<Library> loaded = Open();
  if (!loaded) return loaded.error();
  return &*loaded;
}

}  // namespace muster::curl
