// muster model tag-git
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "registry/git_tags.h"
#include "runtime/cli/context.h"
#include "runtime/cli/model_fetch.h"

extern char** environ;

namespace muster::cli {
namespace {

struct TagFlags {
  std::string model, repo = ".", commit = "HEAD";
};

/// Runs git's own program in `repo`: what it printed. kInvalid with its words when it fails; kNotFound without git.
Result<std::string> Git(const std::string& repo, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"git", "-C", repo});
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return IoError("pipe", errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, "git", &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; failed == 0 && (got = read(ends[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  close(ends[0]);
  if (failed != 0) return NotFound("git cannot be started: is it installed?");
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) {
    text.erase(text.find_last_not_of('\n') + 1);
    return Invalid("git " + arguments[3] + " " + arguments.back() + " in " + repo + ": " + text);
  }
  return text;
}

Result<std::vector<registry::GitTag>> Tags(const std::string& repo) {
  MUSTER_ASSIGN_OR_RETURN(
      const std::string text,
      Git(repo, {"for-each-ref", "--format=%(refname:strip=2) %(objectname) %(*objectname)",
                 "refs/tags"}));
  return registry::ReadGitTags(text);
}

Result<std::vector<std::string>> Tag(const TagFlags& flags,
                                     const registry::serve::ModelLocation& location,
                                     const std::string& alias) {
  MUSTER_ASSIGN_OR_RETURN(std::string commit,
                          Git(flags.repo, {"rev-parse", "--verify", flags.commit + "^{commit}"}));
  commit.erase(commit.find_last_not_of('\n') + 1);
  MUSTER_ASSIGN_OR_RETURN(const auto there, Tags(flags.repo));
  MUSTER_ASSIGN_OR_RETURN(
      const auto wanted,
      registry::PlanGitTags(there, {location.name, location.version, alias, commit}));
  std::vector<std::string> made;
  for (const registry::GitTag& tag : wanted) {
    const std::string message = "muster: " + location.name + " version " +
                                std::to_string(location.version) +
                                (alias.empty() ? "" : ", " + alias);
    MUSTER_RETURN_IF_ERROR(
        Git(flags.repo, {"tag", "--annotate", "--message", message, tag.name, tag.commit}));
    made.push_back(tag.name);
  }
  return made;
}

int TagGit(const Context& context, const TagFlags& flags) {
  const auto reference = ParseModelReference(flags.model);
  if (!reference.ok()) return Fail(context, reference.error());
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  const auto location = FetchModel(*client, *reference, context.Home() / "serving");
  if (!location.ok()) return Fail(context, location.error());
  const bool number = reference->version == std::to_string(location->version);
  const auto made = Tag(flags, *location, number ? "" : reference->version);
  if (!made.ok()) return Fail(context, made.error());
  boost::json::array tags(made->begin(), made->end());
  if (!PrintJson(context, boost::json::object{{"tags", std::move(tags)}})) {
    for (const std::string& tag : *made) std::cout << tag << "\n";
    if (made->empty()) std::cout << "the tags are there already\n";
  }
  return kDone;
}

}  // namespace

void AddModelTag(CLI::App& model, Context& context) {
  auto* command = model.add_subcommand(
      "tag-git", "Write a version and its alias into a Git repository, as GTO's annotated tags");
  auto flags = std::make_shared<TagFlags>();
  command->add_option("model", flags->model, "NAME@ALIAS; or NAME/VERSION, without a stage")
      ->required();
  command->add_option("--repo", flags->repo, "The repository's folder")->capture_default_str();
  command->add_option("--commit", flags->commit, "What the version was made of")
      ->capture_default_str();
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return TagGit(context, *flags); }; });
}

}  // namespace muster::cli
