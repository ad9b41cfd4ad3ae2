#include "cluster/slurm_profile.h"

#include <algorithm>
#include <array>
#include <boost/describe/class.hpp>
#include <string_view>

#include "runtime/wire/codec.h"

namespace muster::cluster {

BOOST_DESCRIBE_STRUCT(SlurmProfile::Container, (), (image, options))
BOOST_DESCRIBE_STRUCT(SlurmProfile::Limits, (), (time_seconds, nodes, jobs, array))
BOOST_DESCRIBE_STRUCT(SlurmProfile, (),
                      (partition, account, qos, constraint, reservation, gpu_type, modules,
                       container, sbatch, setup, environment, limits))

namespace {

/// What says how large a job is, how it is found again and where it writes: always muster's (cluster/slurm/batch_job.h).
constexpr std::array<std::string_view, 24> kOwn{
    "--array",     "--chdir",  "--comment",       "--cpus-per-task", "--error",
    "--export",    "--gpus",   "--gpus-per-node", "--input",         "--job-name",
    "--mem",       "--nodes",  "--no-requeue",    "--ntasks",        "--ntasks-per-node",
    "--open-mode", "--output", "--parsable",      "--requeue",       "--signal",
    "--test-only", "--time",   "--wait",          "--wrap"};

bool IsOneLine(std::string_view text) {
  return text.find_first_of(std::string_view("\0\n\r", 3)) == std::string_view::npos;
}

Status CheckLine(const std::string& path, std::string_view text) {
  if (IsOneLine(text)) return Ok();
  return Invalid("at " + path + ": wanted one line");
}

Status CheckOption(const std::string& path, const std::string& option) {
  MUSTER_RETURN_IF_ERROR(CheckLine(path, option));
  const std::string name = option.substr(0, option.find('='));
  if (name.size() < 3 || !name.starts_with("--") || name.find(' ') != std::string::npos)
    return Invalid("at " + path + ": wanted like --exclusive or --mail-type=END, got '" + option +
                   "'");
  // sbatch takes the beginning of a name for the whole.
  for (const std::string_view own : kOwn) {
    if (own.starts_with(name))
      return Invalid("at " + path + ": muster sets " + std::string(own) + " itself");
  }
  return Ok();
}

bool IsVariable(const std::string& name) {
  const auto is_letter = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  };
  return !name.empty() && is_letter(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

Status CheckLimits(const SlurmProfile::Limits& limits) {
  const struct {
    const char* name;
    std::int64_t value;
  } rows[] = {{"time_seconds", limits.time_seconds},
              {"nodes", limits.nodes},
              {"jobs", limits.jobs},
              {"array", limits.array}};
  for (const auto& [name, value] : rows) {
    if (value < 0)
      return Invalid("at limits." + std::string(name) + ": wanted 1 or more, got " +
                     std::to_string(value));
  }
  return Ok();
}

}  // namespace

Result<SlurmProfile> SlurmProfileFromJson(const boost::json::value& json) {
  MUSTER_ASSIGN_OR_RETURN(SlurmProfile profile,
                          wire::FromJson<SlurmProfile>(json, wire::Unknown::kRefuse));
  MUSTER_RETURN_IF_ERROR(CheckLine("partition", profile.partition));
  MUSTER_RETURN_IF_ERROR(CheckLine("account", profile.account));
  MUSTER_RETURN_IF_ERROR(CheckLine("qos", profile.qos));
  MUSTER_RETURN_IF_ERROR(CheckLine("constraint", profile.constraint));
  MUSTER_RETURN_IF_ERROR(CheckLine("reservation", profile.reservation));
  MUSTER_RETURN_IF_ERROR(CheckLine("gpu_type", profile.gpu_type));
  if (profile.gpu_type.find_first_of(":,= ") != std::string::npos)
    return Invalid("at gpu_type: wanted a type alone, like a100, got '" + profile.gpu_type + "'");
  MUSTER_RETURN_IF_ERROR(CheckLine("container.image", profile.container.image));
  if (profile.container.image.empty() && !profile.container.options.empty())
    return Invalid("at container.options: there is no image");
  for (std::size_t i = 0; i < profile.sbatch.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(CheckOption("sbatch[" + std::to_string(i) + "]", profile.sbatch[i]));
  }
  for (std::size_t i = 0; i < profile.modules.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(CheckLine("modules[" + std::to_string(i) + "]", profile.modules[i]));
  }
  if (profile.setup.find('\0') != std::string::npos)
    return Invalid("at setup: it has a character with the code 0");
  for (const auto& [name, value] : profile.environment) {
    if (!IsVariable(name) || value.find('\0') != std::string::npos)
      return Invalid("at environment." + name + ": wanted a name of letters, digits and _");
  }
  MUSTER_RETURN_IF_ERROR(CheckLimits(profile.limits));
  return profile;
}

}  // namespace muster::cluster
