#include "registry/webhook.h"

#include <algorithm>

#include "registry/webhook_event.h"
#include "runtime/filter/python_text.h"
#include "runtime/wire/public_address.h"

namespace muster::registry {
namespace {

using filter::PythonRepr;

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsLetterOrDigit(char c) { return IsLetter(c) || (c >= '0' && c <= '9'); }

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string Joined(const std::vector<std::string>& items) {
  std::string joined;
  for (const std::string& item : items) joined += (joined.empty() ? "" : ", ") + item;
  return joined;
}

/// What Python's urlparse makes of a URL: blanks before it and tabs and line ends in it do not count.
struct UrlParts {
  std::string scheme, host;  // lower case; empty: none
};

Result<UrlParts> ParseUrl(std::string_view url) {
  std::string text;
  for (const char c : url) {
    if (text.empty() && static_cast<unsigned char>(c) <= ' ') continue;
    if (c != '\t' && c != '\r' && c != '\n') text += c;
  }
  UrlParts parts;
  std::string_view rest = text;
  const auto colon = rest.find(':');
  if (colon != std::string_view::npos && colon > 0 && IsLetter(rest[0]) &&
      std::ranges::all_of(rest.substr(0, colon), [](char c) {
        return IsLetterOrDigit(c) || c == '+' || c == '-' || c == '.';
      })) {
    parts.scheme = Lower(rest.substr(0, colon));
    rest.remove_prefix(colon + 1);
  }
  if (!rest.starts_with("//")) return parts;
  rest.remove_prefix(2);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if ((rest.find('[') == rest.npos) != (rest.find(']') == rest.npos))
    return Invalid("ValueError('Invalid IPv6 URL')");
  rest = rest.substr(rest.rfind('@') + 1);  // npos + 1 is 0
  if (const auto open = rest.find('['); open != std::string_view::npos) {
    rest = rest.substr(open + 1, rest.find(']') - open - 1);
  } else {
    rest = rest.substr(0, rest.find(':'));
  }
  parts.host = Lower(rest);
  return parts;
}

}  // namespace

Error WebhookNotFound(std::string_view id) {
  return NotFound("Webhook with ID " + std::string(id) + " not found.");
}

Status CheckWebhookName(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= 63 && IsLetterOrDigit(name.front()) &&
                    IsLetterOrDigit(name.back()) && std::ranges::all_of(name, [](char c) {
                      return IsLetterOrDigit(c) || c == '.' || c == '_' || c == '-';
                    });
  if (fits) return Ok();
  return Invalid(
      "Webhook name " + PythonRepr(name) +
      " is invalid. It must start and end with a letter or digit, be less than 63 "
      "characters long, and contain only letters, digits, dots (.), underscores (_), and "
      "hyphens (-).");
}

Status CheckWebhookFormat(std::string_view format) {
  for (const auto* known : {"mlflow", "cloudevents-structured", "cloudevents-binary"}) {
    if (format == known) return Ok();
  }
  return Invalid("Webhook format " + PythonRepr(format) +
                 " is invalid. It must be 'mlflow', 'cloudevents-structured' or "
                 "'cloudevents-binary'.");
}

Status CheckWebhookUrl(std::string_view url, const WebhookPolicy& policy) {
  if (url.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos) {
    return Invalid("Webhook URL cannot be empty or just whitespace: " + PythonRepr(url));
  }
  const auto parts = ParseUrl(url);
  if (!parts)
    return Invalid("Invalid webhook URL " + PythonRepr(url) + ": " + parts.error().message);
  if (std::ranges::find(policy.schemes, parts->scheme) == policy.schemes.end()) {
    return Invalid("Invalid webhook URL scheme: " + PythonRepr(parts->scheme) +
                   ". Allowed schemes are: " + Joined(policy.schemes) + ".");
  }
  if (parts->host.empty())
    return Invalid("Webhook URL must include a hostname: " + PythonRepr(url));
  if (policy.private_addresses) return Ok();
  const auto addresses = policy.resolve(parts->host);
  if (!addresses) {
    return Invalid("Cannot resolve Webhook URL hostname " + PythonRepr(parts->host) + ": " +
                   addresses.error().message);
  }
  for (const std::string& address : *addresses) {
    if (wire::IsPublicAddress(address)) continue;
    return Invalid("Webhook URL must not resolve to a non-public IP address. " +
                   PythonRepr(parts->host) + " resolves to " + address + ".");
  }
  return Ok();
}

Result<std::string> CheckWebhookKind(std::string_view entity, std::string_view action) {
  std::vector<std::string> valid;
  for (const WebhookKind& kind : WebhookKinds()) {
    if (kind.entity != entity) continue;
    if (kind.action == action) return NameOf(kind);
    valid.push_back("'" + std::string(kind.action) + "'");
  }
  return Invalid("Invalid action '" + std::string(action) + "' for entity '" + std::string(entity) +
                 "'. Valid actions are: [" + Joined(valid) + "]");
}

}  // namespace muster::registry
