#include "runtime/http/curl_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "runtime/base/check.h"
#include "runtime/curl/library.h"

namespace muster::http {
namespace {

std::string AddressText(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = nullptr;
  if (address->sa_family == AF_INET) {
    bytes = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
  } else if (address->sa_family == AF_INET6) {
    bytes = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  }
  if (bytes == nullptr) return "";
  return ::inet_ntop(address->sa_family, bytes, text.data(), text.size()) != nullptr ? text.data()
                                                                                     : "";
}

std::string_view Trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string Joined(const std::vector<std::string>& schemes) {
  std::string joined;
  for (const std::string& scheme : schemes) joined += (joined.empty() ? "" : ",") + scheme;
  return joined;
}

/// One exchange; its address is what libcurl's callbacks are given.
struct Transfer {
  Transfer(const muster::curl::Library& library, CurlRequest asked, CurlClient::Done told)
      : curl(library), request(std::move(asked)), done(std::move(told)) {}
  ~Transfer() {
    curl.slist_free_all(headers);
    curl.easy_cleanup(easy);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  const muster::curl::Library& curl;
  CurlRequest request;
  CurlClient::Done done;
  const CurlOptions* options = nullptr;
  CURL* easy = curl.easy_init();
  curl_slist* headers = nullptr;
  Response answer;
  std::string blocked;  // the address that was not allowed
  bool cut = false;     // the body was too long
};

curl_socket_t OpenSocket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string text = AddressText(&address->addr);
  if (transfer.options->allow && !transfer.options->allow(text)) {
    transfer.blocked = text;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t OnBody(const char* bytes, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t room = transfer.options->most_body - transfer.answer.body.size();
  transfer.answer.body.append(bytes, std::min(size, room));
  transfer.cut = size > room;
  return transfer.cut ? 0 : size;
}

std::size_t OnHeader(const char* bytes, std::size_t, std::size_t size, void* user) {
  auto& answer = static_cast<Transfer*>(user)->answer;
  const std::string_view line(bytes, size);
  if (line.starts_with("HTTP/")) {  // of the next answer, after a redirect
    answer.headers.clear();
    answer.body.clear();
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    answer.headers[std::string(line.substr(0, colon))] = Trimmed(line.substr(colon + 1));
  }
  return size;
}

void SetUp(Transfer& transfer) {
  const CurlRequest& request = transfer.request;
  const auto set = [&](CURLoption option, auto value) {
    MUSTER_CHECK(transfer.curl.easy_setopt(transfer.easy, option, value) == CURLE_OK,
                 "a libcurl option");
  };
  const std::string schemes = Joined(transfer.options->schemes);
  set(CURLOPT_PRIVATE, &transfer);
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, schemes.c_str());
  set(CURLOPT_REDIR_PROTOCOLS_STR, schemes.c_str());
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, transfer.options->most_redirects);
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // a resolver that hangs does not hold up the end of the client
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  set(CURLOPT_OPENSOCKETFUNCTION, &OpenSocket);
  set(CURLOPT_OPENSOCKETDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, &OnBody);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_HEADERFUNCTION, &OnHeader);
  set(CURLOPT_HEADERDATA, &transfer);
  if (!transfer.options->ca_file.empty()) set(CURLOPT_CAINFO, transfer.options->ca_file.c_str());
  if (request.method == "POST") {
    set(CURLOPT_POST, 1L);
  } else if (request.method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  if (request.method != "GET") {
    set(CURLOPT_POSTFIELDS, request.body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  }
  transfer.headers =
      transfer.curl.slist_append(nullptr, "Expect:");  // no waiting for "100 Continue"
  for (const auto& [name, value] : request.headers) {
    transfer.headers = transfer.curl.slist_append(transfer.headers, (name + ": " + value).c_str());
  }
  set(CURLOPT_HTTPHEADER, transfer.headers);
}

Result<Response> ResultOf(Transfer& transfer, CURLcode code) {
  if (!transfer.blocked.empty()) {
    return Fenced("connection blocked: " + transfer.blocked + " is not a public IP address");
  }
  if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT) {
    return Fenced(std::string("not a URL that may be asked: ") + transfer.curl.easy_strerror(code));
  }
  if (code != CURLE_OK && !transfer.cut) return Unavailable(transfer.curl.easy_strerror(code));
  long status = 0;
  transfer.curl.easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  transfer.answer.status = static_cast<int>(status);
  return std::move(transfer.answer);
}

}  // namespace

struct CurlClient::Impl {
  CurlOptions options;
  int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const muster::curl::Library* curl = nullptr;  // from the first request on
  CURLM* multi = nullptr;
  std::map<CURL*, std::unique_ptr<Transfer>> transfers;
  std::vector<std::pair<Done, Error>> failed;  // to be told by Run

  Status Load() {
    if (multi != nullptr) return Ok();
    MUSTER_ASSIGN_OR_RETURN(curl, muster::curl::Load());
    multi = curl->multi_init();
    MUSTER_CHECK(multi != nullptr, "libcurl has memory");
    return Ok();
  }

  void Finish(CURL* easy, CURLcode code) {
    const auto found = transfers.find(easy);
    const std::unique_ptr<Transfer> transfer = std::move(found->second);
    transfers.erase(found);
    curl->multi_remove_handle(multi, easy);
    transfer->done(ResultOf(*transfer, code));
  }

  /// Calls the `done` of what ended; answers whether anything did.
  bool TellEnded() {
    auto told = std::exchange(failed, {});
    for (auto& [done, error] : told) done(error);
    bool ended = !told.empty();
    if (multi == nullptr) return ended;
    int running = 0;
    curl->multi_perform(multi, &running);
    int left = 0;
    while (const CURLMsg* message = curl->multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      ended = true;
      Finish(message->easy_handle, message->data.result);
    }
    return ended;
  }

  void WaitFor(std::chrono::milliseconds wait) {
    const int most_ms = static_cast<int>(wait.count());
    if (multi != nullptr) {
      curl_waitfd woken{.fd = wake, .events = CURL_WAIT_POLLIN, .revents = 0};
      curl->multi_poll(multi, &woken, 1, most_ms, nullptr);
    } else {
      pollfd woken{.fd = wake, .events = POLLIN, .revents = 0};
      ::poll(&woken, 1, most_ms);
    }
    eventfd_t count = 0;
    ::eventfd_read(wake, &count);
  }
};

CurlClient::CurlClient(CurlOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  MUSTER_CHECK(impl_->wake >= 0, "there is a descriptor for an event");
}

CurlClient::~CurlClient() {
  ::close(impl_->wake);
  if (impl_->multi == nullptr) return;
  for (const auto& [easy, transfer] : impl_->transfers) {
    impl_->curl->multi_remove_handle(impl_->multi, easy);
  }
  impl_->transfers.clear();
  impl_->curl->multi_cleanup(impl_->multi);
}

void CurlClient::Send(CurlRequest request, Done done) {
  if (const Status loaded = impl_->Load(); !loaded.ok()) {
    impl_->failed.emplace_back(std::move(done), loaded.error());
    return;
  }
  auto transfer = std::make_unique<Transfer>(*impl_->curl, std::move(request), std::move(done));
  transfer->options = &impl_->options;
  CURL* const easy = transfer->easy;
  SetUp(*transfer);
  impl_->transfers[easy] = std::move(transfer);
  const CURLMcode added = impl_->curl->multi_add_handle(impl_->multi, easy);
  MUSTER_CHECK(added == CURLM_OK, "a new handle is added");
}

void CurlClient::Run(std::chrono::milliseconds wait) {
  // When something ended its owner may have more to do at once.
  if (!impl_->TellEnded()) impl_->WaitFor(wait);
}

void CurlClient::Wake() { ::eventfd_write(impl_->wake, 1); }

}  // namespace muster::http
