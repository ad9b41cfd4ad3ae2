#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <variant>
#include <vector>

#include "registry/monitor/alert.h"

/// Who is told of an alert, and in which words. Pure.
///
///   notify:
///   - webhook: https://hooks.example.org/muster    # POST of NoticeJson
///     format: cloudevents                          # or json, the default
///     secret_env: HOOK_SECRET                      # X-Hub-Signature-256 by the secret in this variable
///   - command: [./page, --team, ml]                # NoticeJson on its standard input
///   - email: {to: [ops@example.org], from: muster@example.org, smtp: "smtp://mail.example.org:587",
///             user: muster, password_env: SMTP_PASSWORD}
///   - trigger: digits                              # a signal to this trigger of the muster server

namespace muster::registry::monitor {

struct WebhookSink {
  std::string url;
  bool cloud_events = false;
  std::string secret_env;  ///< empty: not signed
};
struct CommandSink {
  std::vector<std::string> command;  ///< program and arguments; no shell
};
struct EmailSink {
  std::vector<std::string> to;
  std::string from, smtp, user, password_env;  ///< no user: no login
};
struct TriggerSink {
  std::string trigger;
};
using Sink = std::variant<WebhookSink, CommandSink, EmailSink, TriggerSink>;

/// A list as above. kInvalid "at notify[1].email.to: ..." says what is wrong.
Result<std::vector<Sink>> SinksFromJson(const boost::json::value& json);
/// "webhook https://hooks.example.org/...", for logs: neither paths nor secrets, which let others post.
std::string Describe(const Sink& sink);

struct Notice {
  std::string id;  ///< a UUID: a repetition has the same
  std::string model, version;
  AlertEvent event;
};
/// {"id", "model", "version", "text", "alert": AlertEvent}
boost::json::object NoticeJson(const Notice& notice);
/// CloudEvents 1.0.2, structured: type "muster.alert.fired" or "muster.alert.resolved", subject "MODEL/VERSION", the data
/// NoticeJson.
boost::json::object CloudEvent(const Notice& notice);
/// RFC 5322, lines ended by CR LF; plain text. What is no printable ASCII is '?' in its headers.
std::string EmailText(const Notice& notice, const EmailSink& sink);
/// Body of POST /api/muster/v1/triggers/NAME/signal: kind "score" of figures of labels and their estimates, "drift" of all
/// others. Nothing of a resolved alert: it asks for no retraining.
std::optional<boost::json::object> SignalBody(const Notice& notice);

}  // namespace muster::registry::monitor
