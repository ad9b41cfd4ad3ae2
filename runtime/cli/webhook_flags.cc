#include "runtime/cli/webhook_flags.h"

#include "runtime/http/resolve.h"

namespace muster::cli {

void AddWebhookFlags(CLI::App& command, WebhookFlags& flags) {
  command
      .add_option("--webhook-schemes", flags.schemes,
                  "What web hooks' URLs may begin with, comma-separated")
      ->envname("MLFLOW_WEBHOOK_ALLOWED_SCHEMES")
      ->capture_default_str();
  command
      .add_flag("--webhook-private-addresses", flags.private_addresses,
                "Web hooks may lead to this machine and its networks")
      ->envname("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS");
}

registry::WebhookPolicy PolicyOf(const WebhookFlags& flags) {
  registry::WebhookPolicy policy;
  policy.schemes.clear();
  for (std::string& scheme : CLI::detail::split(flags.schemes, ',')) {
    policy.schemes.push_back(CLI::detail::trim(scheme));
  }
  policy.private_addresses = flags.private_addresses;
  policy.resolve = http::ResolveHost;
  return policy;
}

}  // namespace muster::cli
