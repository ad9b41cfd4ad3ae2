#include "runtime/cli/batch_system.h"

#include <string>
#include <string_view>

#include "cluster/slurm/slurm_batch_system.h"
#include "runtime/config/slurm_profile.h"

extern char** environ;

namespace muster::cli {
namespace {

std::string TextOf(const boost::json::object& site, std::string_view key) {
  const auto* value = site.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

}  // namespace

Result<std::unique_ptr<cluster::BatchSystem>> OpenBatchSystem(const boost::json::object& site) {
  if (const std::string system = TextOf(site, "system"); system != "slurm")
    return Unsupported("batch system '" + system + "': wanted slurm");
  cluster::SlurmProfile profile;
  if (const std::string text = TextOf(site, "profile"); !text.empty()) {
    MUSTER_ASSIGN_OR_RETURN(profile, config::ParseSlurmProfile(text, TextOf(site, "file")));
  }
  cluster::slurm::SlurmOptions options;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      options.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return std::unique_ptr<cluster::BatchSystem>(
      std::make_unique<cluster::slurm::SlurmBatchSystem>(std::move(profile), options));
}

}  // namespace muster::cli
