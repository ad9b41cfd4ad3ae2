#include "registry/monitor/notice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/wire/codec.h"
#include "tests/registry/monitor/drifted.h"

namespace muster::registry::monitor {
namespace {

using ::testing::HasSubstr;

Result<std::vector<Sink>> Read(const char* json) {
  return SinksFromJson(wire::ParseJson(json).value());
}

TEST(Sinks, AllKinds) {
  const auto sinks = Read(R"([
    {"webhook": "https://hooks.example.org/secret/path", "format": "cloudevents", "secret_env": "S"},
    {"command": ["./page", "--team", "ml"]},
    {"email": {"to": ["ops@example.org"], "from": "m@example.org", "smtp": "smtp://mail.example.org:25"}},
    {"trigger": "digits"}])");
  ASSERT_TRUE(sinks.ok()) << sinks.error().message;
  std::vector<std::string> words;
  for (const Sink& sink : *sinks) words.push_back(Describe(sink));
  EXPECT_THAT(words,
              ::testing::ElementsAre("webhook https://hooks.example.org/...", "command ./page",
                                     "e-mail to ops@example.org", "trigger digits"));
}

TEST(Sinks, WrongOnes_SayWhere) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "at notify: wanted a list"},
      {R"([{}])", "at notify[0]: wanted one of webhook, command, email, trigger"},
      {R"([{"webhook": "ftp://x"}])",
       "at notify[0].webhook: wanted a URL of http or https, got 'ftp://x'"},
      {R"([{"webhook": "http://x", "format": "xml"}])", "got 'xml'"},
      {R"([{"webhook": "http://x", "colour": 1}])", "at notify[0]: unknown key 'colour'"},
      {R"([{"command": []}])", "at notify[0].command: wanted a program"},
      {R"([{"command": "ls"}])", "at notify[0].command: "},
      {R"([{"trigger": "a"}, {"email": {"to": ["x@y"], "from": "a@b"}}])",
       "at notify[1].email: 'smtp' is missing"},
      {R"([{"email": {"to": ["x@y\r\nBcc: z@z"], "from": "a@b", "smtp": "smtp://h"}}])",
       "is no address"},
      {R"([{"email": {"to": [], "from": "a@b", "smtp": "smtp://h"}}])",
       "wanted an address at least"},
      {R"([{"email": {"to": ["x@y"], "from": "a@b", "smtp": "http://h"}}])",
       "at notify[0].email.smtp"},
  };
  for (const auto& [json, message] : cases) {
    const auto sinks = Read(json);
    ASSERT_FALSE(sinks.ok()) << json;
    EXPECT_THAT(sinks.error().message, HasSubstr(message)) << json;
  }
}

TEST(Notice, AsJsonAndCloudEvent) {
  const auto json = NoticeJson(Drifted());
  EXPECT_EQ(json.at("model"), "digits");
  EXPECT_THAT(std::string(json.at("text").as_string()), HasSubstr("inputs drift fired"));
  const auto event = CloudEvent(Drifted());
  EXPECT_EQ(event.at("specversion"), "1.0");
  EXPECT_EQ(event.at("type"), "muster.alert.fired");
  EXPECT_EQ(event.at("subject"), "digits/3");
  EXPECT_EQ(event.at("time"), "2025-11-27T12:00:00Z");
  EXPECT_EQ(event.at("data"), boost::json::value(json));
}

TEST(Notice, AsEmail_NoHeaderIsSmuggledIn) {
  Notice notice = Drifted();
  notice.model = "digits\r\nBcc: z@z";
  const std::string text =
      EmailText(notice, {.to = {"a@x.org", "b@x.org"}, .from = "m@x.org", .smtp = "smtp://x"});
  EXPECT_THAT(text,
              ::testing::StartsWith("From: m@x.org\r\nTo: a@x.org, b@x.org\r\n"
                                    "Subject: [muster] digits??Bcc: z@z/3: inputs drift fired"));
  EXPECT_THAT(text, HasSubstr("\r\nDate: Thu, 27 Nov 2025 12:00:00 +0000\r\n"));
  EXPECT_EQ(text.substr(0, text.find("\r\n\r\n")).find("\nBcc"), std::string::npos);
}

TEST(Notice, AsSignal_KindAndKey) {
  Notice notice = Drifted();
  EXPECT_EQ(SignalBody(notice)->at("kind"), "drift");
  EXPECT_EQ(SignalBody(notice)->at("value"), 1.7);
  EXPECT_EQ(SignalBody(notice)->at("dedup_key"), "digits/3/inputs drift/drift.largest");
  notice.event.metric = "accuracy_drop";
  EXPECT_EQ(SignalBody(notice)->at("kind"), "score");
  notice.event.fired = false;
  EXPECT_FALSE(SignalBody(notice).has_value());
}

}  // namespace
}  // namespace muster::registry::monitor
