#include "runtime/notify/notifier.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "registry/loop/signed_webhook.h"
#include "runtime/http/server.h"
#include "tests/registry/monitor/drifted.h"

extern char** environ;  // NOLINT: POSIX names it so

/// Real receivers: an HTTP server, a program, Python's SMTP server.

namespace muster::notify {
namespace {

using registry::monitor::Drifted;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

/// Keeps what it is sent; answers `statuses` in turn, then 200.
class Receiver {
 public:
  explicit Receiver(std::vector<int> statuses = {}) : statuses_(std::move(statuses)) {
    router_.Add("POST", "/hook",
                [this](const http::Request& request, const http::Respond& respond) {
                  const std::lock_guard lock(mutex_);
                  requests_.push_back(request);
                  const std::size_t n = requests_.size() - 1;
                  respond(http::Response{.status = n < statuses_.size() ? statuses_[n] : 200});
                });
    server_ = http::Server::Start({}, router_).value();
  }
  [[nodiscard]] std::string url() const { return server_->url() + "/hook"; }
  std::vector<http::Request> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  const std::vector<int> statuses_;
  std::mutex mutex_;
  std::vector<http::Request> requests_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
};

TEST(Webhook, IsPostedAndSigned) {
  Receiver receiver;
  ::setenv("MUSTER_TEST_SECRET", "open sesame", 1);
  const Status told = PostWebhook({.url = receiver.url(), .secret_env = "MUSTER_TEST_SECRET"},
                                  Drifted(), seconds(10));
  ASSERT_TRUE(told.ok()) << told.error().message;
  const auto request = receiver.requests().at(0);
  EXPECT_EQ(boost::json::parse(request.body).at("model"), "digits");
  EXPECT_EQ(request.Header("X-Hub-Signature-256"),
            registry::HubSignature("open sesame", request.body));
  ASSERT_TRUE(
      PostWebhook({.url = receiver.url(), .cloud_events = true}, Drifted(), seconds(10)).ok());
  const auto event = receiver.requests().at(1);
  EXPECT_THAT(std::string(event.Header("Content-Type")), HasSubstr("application/cloudevents+json"));
  EXPECT_EQ(boost::json::parse(event.body).at("type"), "muster.alert.fired");
}

TEST(Webhook, WhatMayPassByItself_IsToldFromWhatWillNot) {
  Receiver receiver({503, 400});
  const auto kind = [&](const registry::monitor::WebhookSink& sink) {
    return PostWebhook(sink, Drifted(), seconds(10)).error().kind;
  };
  EXPECT_EQ(kind({.url = receiver.url()}), ErrorKind::kUnavailable);
  EXPECT_EQ(kind({.url = receiver.url()}), ErrorKind::kInvalid);
  EXPECT_EQ(kind({.url = "http://127.0.0.1:9/hook"}), ErrorKind::kUnavailable) << "nobody is there";
  EXPECT_EQ(kind({.url = receiver.url(), .secret_env = "MUSTER_TEST_NO_SUCH"}),
            ErrorKind::kInvalid);
}

TEST(Command, HasTheNoticeOnItsStandardInput) {
  const auto file =
      std::filesystem::path(::testing::TempDir()) / ("notice-" + std::to_string(::getpid()));
  const Status told =
      RunCommand({{"sh", "-c", "cat > \"$1\"", "sh", file.string()}}, Drifted(), seconds(10));
  ASSERT_TRUE(told.ok()) << told.error().message;
  std::ifstream in(file);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  std::filesystem::remove(file);
  EXPECT_EQ(boost::json::parse(text).at("version"), "3");
}

TEST(Command, WhatGoesWrong_IsSaid) {
  EXPECT_THAT(RunCommand({{"sh", "-c", "exit 3"}}, Drifted(), seconds(10)).error().message,
              HasSubstr("ended with 3"));
  EXPECT_THAT(RunCommand({{"/no/such/program"}}, Drifted(), seconds(10)).error().message,
              HasSubstr("cannot start '/no/such/program'"));
  EXPECT_THAT(RunCommand({{"sh", "-c", "sleep 60"}}, Drifted(), milliseconds(100)).error().message,
              HasSubstr("did not end in time"));
  EXPECT_TRUE(RunCommand({{"true"}}, Drifted(), seconds(10)).ok())
      << "that it does not read is its affair";
}

/// A port of loopback that was free a moment ago.
int FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

/// Python's, which prints what it is sent.
class SmtpServer {
 public:
  SmtpServer() {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, heard_.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    std::string words[] = {"python3", "-u", "-W", "ignore",          "-m",
                           "smtpd",   "-n", "-c", "DebuggingServer", address()};
    std::vector<char*> arguments;
    arguments.reserve(std::size(words) + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    EXPECT_EQ(::posix_spawnp(&pid_, "python3", &files, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
  }
  ~SmtpServer() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    std::filesystem::remove(heard_);
  }
  SmtpServer(const SmtpServer&) = delete;
  SmtpServer& operator=(const SmtpServer&) = delete;
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string heard() const {
    std::ifstream in(heard_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  const int port_ = FreePort();
  const std::filesystem::path heard_ =
      std::filesystem::path(::testing::TempDir()) / ("smtp-" + std::to_string(::getpid()));
  pid_t pid_ = 0;
};

TEST(Email, ArrivesAtAnSmtpServer) {
  const SmtpServer server;
  const registry::monitor::EmailSink sink{.to = {"ops@example.org"},
                                          .from = "muster@example.org",
                                          .smtp = "smtp://" + server.address()};
  Status told = Unavailable("not tried");
  for (int i = 0; i < 400 && !told.ok(); ++i) {
    told = SendEmail(sink, Drifted(), seconds(10));
    if (!told.ok()) std::this_thread::sleep_for(milliseconds(50));
  }
  ASSERT_TRUE(told.ok()) << told.error().message;
  EXPECT_THAT(server.heard(), HasSubstr("To: ops@example.org"));
  EXPECT_THAT(server.heard(), HasSubstr("Subject: [muster] digits/3: inputs drift fired"));
  EXPECT_THAT(server.heard(), HasSubstr("drift.largest"));
}

TEST(Notifier, TriesAgain_AndOtherSinksDoNotWait) {
  Receiver away({503, 503}), there;
  std::vector<std::string> triggers;
  Notifier notifier(
      {.sinks = {registry::monitor::WebhookSink{.url = away.url()},
                 registry::monitor::WebhookSink{.url = there.url()},
                 registry::monitor::TriggerSink{"digits"}},
       .signal = [&](const std::string& trigger, const boost::json::object& body) -> Status {
         triggers.push_back(trigger + " " + std::string(body.at("kind").as_string()));
         return Ok();
       },
       .first_pause = milliseconds(20)});
  notifier.Notify(Drifted());
  ASSERT_TRUE(notifier.Flush(seconds(30)));
  EXPECT_EQ(away.requests().size(), 3U);
  EXPECT_EQ(there.requests().size(), 1U);
  EXPECT_THAT(triggers, ::testing::ElementsAre("digits drift"));
  EXPECT_EQ(boost::json::parse(away.requests()[0].body).at("id"),
            boost::json::parse(away.requests()[2].body).at("id"));
}

TEST(Notifier, GivesUp_WhatIsRefusedOrTriedOftenEnough) {
  Receiver refuses({400}), broken({500, 500, 500, 500});
  Notifier notifier({.sinks = {registry::monitor::WebhookSink{.url = refuses.url()},
                               registry::monitor::WebhookSink{.url = broken.url()}},
                     .signal = {},
                     .first_pause = milliseconds(5),
                     .tries = 3});
  notifier.Notify(Drifted());
  ASSERT_TRUE(notifier.Flush(seconds(30)));
  EXPECT_EQ(refuses.requests().size(), 1U);
  EXPECT_EQ(broken.requests().size(), 3U);
}

}  // namespace
}  // namespace muster::notify
