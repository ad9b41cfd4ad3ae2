#include "registry/monitor/notice.h"

#include <algorithm>
#include <ctime>

#include "registry/cron.h"
#include "runtime/wire/codec.h"

namespace muster::registry::monitor {
namespace {

Error At(std::string_view place, const Error& error) {
  return Invalid("at " + std::string(place) + ": " + error.message);
}

/// Members of an object, each of which must be asked for.
class Members {
 public:
  static Result<Members> Of(const boost::json::value& json, std::string place) {
    if (!json.is_object()) return Invalid("at " + place + ": wanted an object");
    return Members(json.get_object(), std::move(place));
  }
  template <typename T>
  Result<T> Take(std::string_view key, std::optional<T> fallback = std::nullopt) {
    taken_.emplace_back(key);
    const auto* value = members_.if_contains(key);
    if (value == nullptr) {
      if (fallback) return *fallback;
      return Invalid("at " + place_ + ": '" + std::string(key) + "' is missing");
    }
    auto read = wire::FromJson<T>(*value);
    if (!read.ok()) return At(place_ + "." + std::string(key), read.error());
    return read;
  }
  [[nodiscard]] Status End() const {
    for (const auto& member : members_) {
      if (std::ranges::find(taken_, std::string_view(member.key())) != taken_.end()) continue;
      return Invalid("at " + place_ + ": unknown key '" + std::string(member.key()) + "'");
    }
    return Ok();
  }
  [[nodiscard]] bool Has(std::string_view key) const { return members_.contains(key); }
  [[nodiscard]] const boost::json::value& Get(std::string_view key) { return members_.at(key); }
  [[nodiscard]] const std::string& place() const { return place_; }

 private:
  Members(const boost::json::object& members, std::string place)
      : members_(members), place_(std::move(place)) {}
  const boost::json::object& members_;
  std::string place_;
  std::vector<std::string> taken_;
};

Result<Sink> ReadWebhook(Members& members) {
  WebhookSink sink;
  MUSTER_ASSIGN_OR_RETURN(sink.url, members.Take<std::string>("webhook"));
  if (!sink.url.starts_with("http://") && !sink.url.starts_with("https://")) {
    return Invalid("at " + members.place() + ".webhook: wanted a URL of http or https, got '" +
                   sink.url + "'");
  }
  MUSTER_ASSIGN_OR_RETURN(const auto format, members.Take<std::string>("format", "json"));
  if (format != "json" && format != "cloudevents") {
    return Invalid("at " + members.place() + ".format: wanted json or cloudevents, got '" + format +
                   "'");
  }
  sink.cloud_events = format == "cloudevents";
  MUSTER_ASSIGN_OR_RETURN(sink.secret_env, members.Take<std::string>("secret_env", ""));
  MUSTER_RETURN_IF_ERROR(members.End());
  return Sink(std::move(sink));
}

Result<Sink> ReadCommand(Members& members) {
  CommandSink sink;
  MUSTER_ASSIGN_OR_RETURN(sink.command, members.Take<std::vector<std::string>>("command"));
  if (sink.command.empty()) {
    return Invalid("at " + members.place() + ".command: wanted a program and its arguments");
  }
  MUSTER_RETURN_IF_ERROR(members.End());
  return Sink(std::move(sink));
}

Result<Sink> ReadEmail(Members& outer) {
  MUSTER_ASSIGN_OR_RETURN(Members members,
                          Members::Of(outer.Get("email"), outer.place() + ".email"));
  EmailSink sink;
  MUSTER_ASSIGN_OR_RETURN(sink.to, members.Take<std::vector<std::string>>("to"));
  MUSTER_ASSIGN_OR_RETURN(sink.from, members.Take<std::string>("from"));
  MUSTER_ASSIGN_OR_RETURN(sink.smtp, members.Take<std::string>("smtp"));
  MUSTER_ASSIGN_OR_RETURN(sink.user, members.Take<std::string>("user", ""));
  MUSTER_ASSIGN_OR_RETURN(sink.password_env, members.Take<std::string>("password_env", ""));
  MUSTER_RETURN_IF_ERROR(members.End());
  if (!sink.smtp.starts_with("smtp://") && !sink.smtp.starts_with("smtps://")) {
    return Invalid("at " + members.place() + ".smtp: wanted smtp://HOST:PORT or smtps://, got '" +
                   sink.smtp + "'");
  }
  std::vector<std::string> addresses = sink.to;
  addresses.push_back(sink.from);
  for (const std::string& address : addresses) {
    const bool plain = std::ranges::all_of(
        address, [](char c) { return c > ' ' && c <= '~' && c != '<' && c != '>' && c != ','; });
    if (plain && address.find('@') != std::string::npos) continue;
    return Invalid("at " + members.place() + ": '" + address +
                   "' is no address, as ops@example.org");
  }
  if (sink.to.empty()) return Invalid("at " + members.place() + ".to: wanted an address at least");
  (void)outer.Take<boost::json::object>("email");
  MUSTER_RETURN_IF_ERROR(outer.End());
  return Sink(std::move(sink));
}

Result<Sink> ReadTrigger(Members& members) {
  TriggerSink sink;
  MUSTER_ASSIGN_OR_RETURN(sink.trigger, members.Take<std::string>("trigger"));
  MUSTER_RETURN_IF_ERROR(members.End());
  return Sink(std::move(sink));
}

/// For a header of a mail: no line can be smuggled in.
std::string Printable(std::string text) {
  for (char& c : text) c = c >= ' ' && c <= '~' ? c : '?';
  return text;
}

/// "Fri, 27 Nov 2026 12:00:00 +0000"
std::string MailDate(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  // Not strftime's %a and %b, which are the locale's.
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d +0000", kDays[utc.tm_wday],
                utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text;
}

std::string Subject(const Notice& notice) { return notice.model + "/" + notice.version; }

}  // namespace

Result<std::vector<Sink>> SinksFromJson(const boost::json::value& json) {
  if (!json.is_array()) return Invalid("at notify: wanted a list");
  std::vector<Sink> sinks;
  for (std::size_t i = 0; i < json.get_array().size(); ++i) {
    const std::string place = "notify[" + std::to_string(i) + "]";
    MUSTER_ASSIGN_OR_RETURN(Members members, Members::Of(json.get_array()[i], place));
    Result<Sink> sink = Invalid("at " + place + ": wanted one of webhook, command, email, trigger");
    if (members.Has("webhook")) {
      sink = ReadWebhook(members);
    } else if (members.Has("command")) {
      sink = ReadCommand(members);
    } else if (members.Has("email")) {
      sink = ReadEmail(members);
    } else if (members.Has("trigger")) {
      sink = ReadTrigger(members);
    }
    if (!sink.ok()) return sink.error();
    sinks.push_back(std::move(*sink));
  }
  return sinks;
}

std::string Describe(const Sink& sink) {
  struct Words {
    std::string operator()(const WebhookSink& s) const {
      const std::size_t path = s.url.find('/', s.url.find("://") + 3);
      return "webhook " + s.url.substr(0, path) + (path == std::string::npos ? "" : "/...");
    }
    std::string operator()(const CommandSink& s) const { return "command " + s.command[0]; }
    std::string operator()(const EmailSink& s) const { return "e-mail to " + s.to[0]; }
    std::string operator()(const TriggerSink& s) const { return "trigger " + s.trigger; }
  };
  return std::visit(Words{}, sink);
}

boost::json::object NoticeJson(const Notice& notice) {
  return {{"id", notice.id},
          {"model", notice.model},
          {"version", notice.version},
          {"text", Sentence(notice.event)},
          {"alert", ToJson(notice.event)}};
}

boost::json::object CloudEvent(const Notice& notice) {
  return {{"specversion", "1.0"},
          {"id", notice.id},
          {"source", "/muster/models/" + notice.model},
          {"type", notice.event.fired ? "muster.alert.fired" : "muster.alert.resolved"},
          {"time", UtcText(notice.event.time_ms / 1000)},
          {"subject", Subject(notice)},
          {"datacontenttype", "application/json"},
          {"data", NoticeJson(notice)}};
}

std::string EmailText(const Notice& notice, const EmailSink& sink) {
  std::string to;
  for (const std::string& address : sink.to) to += (to.empty() ? "" : ", ") + address;
  const std::string sentence = Sentence(notice.event);
  std::string text;
  text += "From: " + sink.from + "\r\n";
  text += "To: " + to + "\r\n";
  text += "Subject: " + Printable("[muster] " + Subject(notice) + ": " + sentence) + "\r\n";
  text += "Date: " + MailDate(notice.event.time_ms) + "\r\n";
  text += "Message-ID: <" + notice.id + "@muster>\r\n";
  text += "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";
  text += "Content-Transfer-Encoding: 8bit\r\n\r\n";
  text += sentence + "\r\n\r\nmodel " + notice.model + ", version " + notice.version + "\r\n";
  text += wire::SerializeJson(ToJson(notice.event)) + "\r\n";
  return text;
}

std::optional<boost::json::object> SignalBody(const Notice& notice) {
  if (!notice.event.fired) return std::nullopt;
  const std::string& metric = notice.event.metric;
  const bool score = metric.starts_with("accuracy") || metric.starts_with("mae") ||
                     metric.starts_with("estimated_");
  return boost::json::object{
      {"kind", score ? "score" : "drift"},
      {"value", notice.event.value},
      {"detail", notice.model + "/" + notice.version + ": " + Sentence(notice.event)},
      // The same alarm of several replicas is one.
      {"dedup_key", notice.model + "/" + notice.version + "/" + notice.event.rule + "/" + metric}};
}

}  // namespace muster::registry::monitor
