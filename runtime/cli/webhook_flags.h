#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "registry/webhook.h"

namespace muster::cli {

/// Where web hooks of a server may lead; the names of MLflow's own variables stand for the flags.
struct WebhookFlags {
  std::string schemes = "https";
  bool private_addresses = false;
};
/// `flags` must outlive the parsing.
void AddWebhookFlags(CLI::App& command, WebhookFlags& flags);
registry::WebhookPolicy PolicyOf(const WebhookFlags& flags);

}  // namespace muster::cli
