#pragma once

#include <curl/curl.h>

#include "runtime/base/result.h"

/// libcurl without linking it: the library and some 30 that it pulls in (Kerberos, LDAP, ...) would cost every muster
/// command at its start, and few servers ask others.

namespace muster::curl {

/// The functions that we call, under their own names less "curl_".
struct Library {
  decltype(&curl_global_init) global_init;
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_easy_reset) easy_reset;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
  decltype(&curl_multi_init) multi_init;
  decltype(&curl_multi_cleanup) multi_cleanup;
  decltype(&curl_multi_add_handle) multi_add_handle;
  decltype(&curl_multi_remove_handle) multi_remove_handle;
  decltype(&curl_multi_perform) multi_perform;
  decltype(&curl_multi_poll) multi_poll;
  decltype(&curl_multi_info_read) multi_info_read;
};

/// Loads libcurl.so.4 at the first call, for the life of the process. Any thread. kUnsupported names the library and
/// the loader's reason.
Result<const Library*> Load();

}  // namespace muster::curl
