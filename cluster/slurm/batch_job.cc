#include "cluster/slurm/batch_job.h"

#include <charconv>

namespace muster::cluster::slurm {
namespace {

constexpr std::size_t kNameMost = 64;
constexpr std::string_view kCommentMark = "muster:";

std::int64_t RoundedUp(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit; }

/// Names are for people, and stand in tables that separate by '|'.
std::string NameOf(const JobRequest& request, const std::string& tag) {
  std::string name = request.name.substr(0, kNameMost);
  for (char& c : name) {
    if (c <= ' ' || c == '|' || c == 127) c = '_';
  }
  return name + "@" + tag;
}

/// In a file's name Slurm reads '%' as the beginning of a pattern.
std::string Folder(const std::string& path) {
  std::string escaped;
  for (const char c : path) escaped.append(c == '%' ? 2 : 1, c);
  return escaped;
}

std::vector<std::string> Arguments(const JobRequest& request, const SlurmProfile& profile,
                                   int first, int count) {
  const std::string tag = request.key + "/" + std::to_string(first);
  std::vector<std::string> arguments{"--parsable", "--open-mode=append"};
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) arguments.push_back(std::string("--") + option + "=" + value);
  };
  const auto add_count = [&](const char* option, std::int64_t value, const char* unit = "") {
    if (value > 0) add(option, std::to_string(value) + unit);
  };
  add("job-name", NameOf(request, tag));
  add("comment", std::string(kCommentMark) + tag);
  add_count("nodes", request.nodes);
  add_count("ntasks", request.nodes);
  add("ntasks-per-node", "1");
  add_count("cpus-per-task", request.cpus_per_node);
  add_count("mem", RoundedUp(request.memory_bytes_per_node, 1 << 20), "M");
  if (request.gpus_per_node > 0) {
    add("gpus-per-node", (profile.gpu_type.empty() ? "" : profile.gpu_type + ":") +
                             std::to_string(request.gpus_per_node));
  }
  add_count("time", RoundedUp(request.time_seconds, 60));
  if (request.warn_seconds > 0) add("signal", "USR2@" + std::to_string(request.warn_seconds));
  arguments.push_back(request.requeue ? "--requeue" : "--no-requeue");
  if (count > 1) add("array", "0-" + std::to_string(count - 1));
  add("output", Folder(request.log_dir) + (count > 1 ? "/%A_%a.log" : "/%j.log"));
  add("chdir", request.log_dir);
  add("partition", profile.partition);
  add("account", profile.account);
  add("qos", profile.qos);
  add("constraint", profile.constraint);
  add("reservation", profile.reservation);
  return arguments;
}

/// One word of the command, for the shell that a task begins with.
std::string TaskWord(std::string_view argument) {
  constexpr std::string_view kTask = "{task}", kNode = "{node}";
  std::string word;
  std::string text;
  const auto flush = [&] {
    if (!text.empty()) word += ShellQuoted(text);
    text.clear();
  };
  while (!argument.empty()) {
    const bool is_task = argument.starts_with(kTask);
    if (is_task || argument.starts_with(kNode)) {
      flush();
      word += is_task ? "\"$MUSTER_JOB_TASK\"" : "\"$SLURM_NODEID\"";
      argument.remove_prefix(kTask.size());
    } else {
      text += argument[0];
      argument.remove_prefix(1);
    }
  }
  flush();
  return word.empty() ? "''" : word;
}

std::string TaskCommand(const JobRequest& request, const SlurmProfile& profile) {
  std::vector<std::string> words;
  if (!profile.container.image.empty()) {
    words = {"apptainer", "exec"};
    if (request.gpus_per_node > 0) words.emplace_back("--nv");
    words.insert(words.end(), profile.container.options.begin(), profile.container.options.end());
    words.push_back(profile.container.image);
  }
  words.insert(words.end(), request.command.begin(), request.command.end());
  std::string line = "exec";
  for (const std::string& word : words) line += " " + TaskWord(word);
  return line;
}

std::string Script(const JobRequest& request, const SlurmProfile& profile, int first) {
  std::string script = "#!/bin/bash\n";
  for (const std::string& option : profile.sbatch) script += "#SBATCH " + option + "\n";
  for (const auto& [name, value] : profile.environment)
    script += "export " + name + "=" + ShellQuoted(value) + "\n";
  if (!profile.modules.empty()) {
    // Not every shell of a job is one that a person would get.
    script += "[ -n \"$(type -t module)\" ] || . /etc/profile\nmodule load";
    for (const std::string& module : profile.modules) script += " " + ShellQuoted(module);
    script += "\n";
  }
  if (!profile.setup.empty()) script += profile.setup + (profile.setup.ends_with('\n') ? "" : "\n");
  const std::string nodes = std::to_string(request.nodes);
  script +=
      "export MUSTER_JOB_TASK=$((" + std::to_string(first) +
      " + ${SLURM_ARRAY_TASK_ID:-0}))\n"
      // From 22.05 on a step has to be told its CPUs again. A node's command may end before the others'.
      "exec srun --nodes=" +
      nodes + " --ntasks=" + nodes +
      " --ntasks-per-node=1 --cpus-per-task=" + std::to_string(request.cpus_per_node) +
      " --mpi=none --kill-on-bad-exit=0 --wait=0 --export=ALL /bin/sh -c " +
      ShellQuoted(TaskCommand(request, profile)) + "\n";
  return script;
}

bool ReadTag(std::string_view text, JobTag& tag) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0) return false;
  const std::string_view first = text.substr(slash + 1);
  const auto [end, failure] = std::from_chars(first.data(), first.data() + first.size(), tag.first);
  if (failure != std::errc() || end != first.data() + first.size() || tag.first < 0) return false;
  tag.key = text.substr(0, slash);
  return true;
}

}  // namespace

BatchJob MakeBatchJob(const JobRequest& request, const SlurmProfile& profile, int first,
                      int count) {
  return {Arguments(request, profile, first, count), Script(request, profile, first)};
}

JobTag ReadTag(std::string_view comment, std::string_view name) {
  JobTag tag;
  if (comment.starts_with(kCommentMark) && ReadTag(comment.substr(kCommentMark.size()), tag))
    return tag;
  const std::size_t at = name.rfind('@');
  if (at != std::string_view::npos && ReadTag(name.substr(at + 1), tag)) return tag;
  return {};
}

std::string ShellQuoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + "'";
}

}  // namespace muster::cluster::slurm
