#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include "registry/loop/signed_webhook.h"
#include "runtime/curl/library.h"
#include "runtime/http/curl_client.h"
#include "runtime/notify/notifier.h"
#include "runtime/wire/codec.h"

extern char** environ;  // NOLINT: POSIX names it so

namespace muster::notify {
namespace {

using registry::monitor::CommandSink;
using registry::monitor::EmailSink;
using registry::monitor::Notice;
using registry::monitor::WebhookSink;

/// kInvalid where the variable is not set: it will not be the next time either.
Result<std::string> Secret(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());  // NOLINT: nobody here sets variables
  if (value != nullptr) return std::string(value);
  return Invalid("the variable " + variable + " is not set");
}

/// Reads what a mail is as libcurl asks for it.
struct Reader {
  std::string_view left;
  static std::size_t Read(char* to, std::size_t size, std::size_t count, void* user) {
    auto& left = static_cast<Reader*>(user)->left;
    const std::size_t taken = std::min(size * count, left.size());
    std::memcpy(to, left.data(), taken);
    left.remove_prefix(taken);
    return taken;
  }
};

/// A file in memory, to be read from its begin: one that does not read it holds nobody up. -1 and errno without memory.
int FileOf(std::string_view text) {
  const int file = ::memfd_create("notice", MFD_CLOEXEC);
  if (file < 0) return -1;
  if (::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::lseek(file, 0, SEEK_SET) == 0) {
    return file;
  }
  ::close(file);
  return -1;
}

/// Its exit status; killed, with what it started, when the time is over.
Status Await(pid_t child, MonotonicTime end) {
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (SystemClock().Now() > end) {
      ::kill(-child, SIGKILL);
      ::waitpid(child, &status, 0);
      return Unavailable("it did not end in time");
    }
    ::usleep(5'000);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Ok();
  return Unavailable(WIFEXITED(status)
                         ? "it ended with " + std::to_string(WEXITSTATUS(status))
                         : "signal " + std::to_string(WTERMSIG(status)) + " ended it");
}

}  // namespace

Status PostWebhook(const WebhookSink& sink, const Notice& notice,
                   std::chrono::milliseconds timeout) {
  http::CurlRequest request{.url = sink.url, .timeout = timeout};
  request.body = wire::SerializeJson(sink.cloud_events ? CloudEvent(notice) : NoticeJson(notice));
  request.headers["Content-Type"] =
      sink.cloud_events ? "application/cloudevents+json; charset=utf-8" : "application/json";
  if (!sink.secret_env.empty()) {
    MUSTER_ASSIGN_OR_RETURN(const std::string secret, Secret(sink.secret_env));
    request.headers["X-Hub-Signature-256"] = registry::HubSignature(secret, request.body);
  }
  http::CurlClient client({.schemes = {"http", "https"}, .most_redirects = 0});
  std::optional<Result<http::Response>> answer;
  client.Send(std::move(request),
              [&](Result<http::Response> got) { answer.emplace(std::move(got)); });
  while (!answer) client.Run(std::chrono::milliseconds(100));
  if (!answer->ok()) return answer->error();
  const int code = (*answer)->status;
  if (code >= 200 && code < 300) return Ok();
  const std::string said = "it answered " + std::to_string(code);
  return code == 429 || code >= 500 ? Unavailable(said) : Invalid(said);
}

Status RunCommand(const CommandSink& sink, const Notice& notice,
                  std::chrono::milliseconds timeout) {
  const MonotonicTime end = SystemClock().Now() + timeout;
  const int input = FileOf(wire::SerializeJson(NoticeJson(notice)) + "\n");
  if (input < 0) return IoError("a file in memory", errno);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // to be ended as one
  std::vector<char*> arguments;
  arguments.reserve(sink.command.size() + 1);
  for (const std::string& argument : sink.command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));  // POSIX writes to none of them
  }
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, arguments[0], &files, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  ::close(input);
  if (failed == 0) return Await(child, end);
  return Invalid("cannot start '" + sink.command[0] + "': " + std::strerror(failed));
}

Status SendEmail(const EmailSink& sink, const Notice& notice, std::chrono::milliseconds timeout) {
  MUSTER_ASSIGN_OR_RETURN(const auto* curl, curl::Load());
  std::string password;
  if (!sink.user.empty()) {
    MUSTER_ASSIGN_OR_RETURN(password, Secret(sink.password_env));
  }
  const std::string text = EmailText(notice, sink);
  const std::string from = "<" + sink.from + ">";
  Reader reader{text};
  CURL* const easy = curl->easy_init();
  if (easy == nullptr) return ResourceExhausted("libcurl has no memory");
  curl_slist* recipients = nullptr;
  for (const std::string& to : sink.to) {
    recipients = curl->slist_append(recipients, ("<" + to + ">").c_str());
  }
  const auto set = [&](CURLoption option, auto value) { curl->easy_setopt(easy, option, value); };
  set(CURLOPT_URL, sink.smtp.c_str());
  set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  set(CURLOPT_MAIL_FROM, from.c_str());
  set(CURLOPT_MAIL_RCPT, recipients);
  set(CURLOPT_UPLOAD, 1L);
  set(CURLOPT_READFUNCTION, &Reader::Read);
  set(CURLOPT_READDATA, &reader);
  // A password never goes over a plain connection; without one TLS is taken where the server has it.
  set(CURLOPT_USE_SSL, static_cast<long>(sink.user.empty() ? CURLUSESSL_TRY : CURLUSESSL_ALL));
  if (!sink.user.empty()) {
    set(CURLOPT_USERNAME, sink.user.c_str());
    set(CURLOPT_PASSWORD, password.c_str());
  }
  const CURLcode sent = curl->easy_perform(easy);
  const std::string why = curl->easy_strerror(sent);
  curl->slist_free_all(recipients);
  curl->easy_cleanup(easy);
  return sent == CURLE_OK ? Ok() : Status(Unavailable(why));
}

}  // namespace muster::notify
