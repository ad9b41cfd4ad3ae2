#include "runtime/config/sweep_file.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <optional>
#include <sstream>

#include "runtime/base/file_list.h"
#include "runtime/config/gate_file.h"
#include "runtime/config/table_file.h"
#include "runtime/config/yaml_tree.h"
#include "runtime/coordinator/search_spec.h"
#include "runtime/wire/error_path.h"
#include "tuner/search.h"

namespace muster::config {

namespace json = boost::json;

namespace {

std::string Join(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

std::string PlainText(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

}  // namespace

/// Turns the YAML tree into the spec's JSON while it notes where each path stands.
class SweepFileReader {
 public:
  SweepFileReader(SweepFile& file, std::filesystem::path folder)
      : file_(file), yaml_(file.name_, file.places_, IsText), folder_(std::move(folder)) {}

  Status Read(std::string_view text, const std::vector<std::string>& overrides) {
    MUSTER_ASSIGN_OR_RETURN(const YAML::Node root, yaml_.Load(text));
    if (!root.IsMap())
      return Invalid(file_.name_ + ":1:1: wanted a map of keys (name, trial, ...)");
    MUSTER_ASSIGN_OR_RETURN(auto tree, yaml_.Convert(root, ""));
    for (const auto& override_text : overrides)
      MUSTER_RETURN_IF_ERROR(Override(tree, override_text));
    if (Status status = Normalise(tree.as_object()); !status.ok()) {
      return file_.Explain(status.error());
    }
    auto spec = wire::SweepSpecFromJson(tree);
    if (!spec.ok()) return file_.Explain(spec.error());
    file_.spec_ = std::move(spec).value();
    if (tables_.empty()) return Ok();
    Status read = ReadTables(tables_, file_.spec_, file_.places_, file_.notes_);
    return read.ok() ? read : Status(file_.Explain(read.error()));
  }

 private:
  /// Words of a command and values of variables are text as it stands: 3.10 is not the number 3.1.
  static bool IsText(std::string_view path) {
    return path.starts_with("trial.command[") || path.starts_with("trial.env.");
  }

  /// "a.b=value": the value is YAML, so lists and numbers work.
  Status Override(json::value& tree, const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Invalid("--set " + text + ": wanted KEY=VALUE, as in --set budget.trials=4");
    }
    const std::string path = text.substr(0, equals);
    file_.places_[path] = "--set " + path;
    json::object* map = &tree.as_object();
    std::string_view rest = path;
    for (auto dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
      auto& next = (*map)[rest.substr(0, dot)];
      if (next.is_null()) next = json::object();
      if (!next.is_object()) return Invalid("--set " + path + ": its parent is not a map");
      map = &next.get_object();
      rest.remove_prefix(dot + 1);
    }
    YAML::Node value;
    try {
      value = YAML::Load(text.substr(equals + 1));
    } catch (const YAML::Exception& failure) {
      return Invalid("--set " + text + ": " + failure.msg);
    }
    MUSTER_ASSIGN_OR_RETURN((*map)[rest], yaml_.Convert(value, path));
    return Ok();
  }

  /// The file's conveniences to the spec's own form.
  Status Normalise(json::object& tree) {
    MUSTER_RETURN_IF_ERROR(WithUnit(tree, {"budget"}, "time", "time_seconds", ParseDuration));
    MUSTER_RETURN_IF_ERROR(WithUnit(tree, {"trial"}, "time", "time_seconds", ParseDuration));
    MUSTER_RETURN_IF_ERROR(
        WithUnit(tree, {"trial", "resources"}, "memory", "memory_bytes", ParseSize));
    MUSTER_RETURN_IF_ERROR(
        WithUnit(tree, {"trial", "resources"}, "gpu_memory", "gpu_memory_bytes", ParseSize));
    if (auto* nodes = Find(tree, {"trial"}, "nodes"); nodes != nullptr) {
      if (nodes->is_string() && nodes->get_string() == "any") *nodes = 0;
    }
    if (auto* bind = Find(tree, {"trial"}, "bind"); bind != nullptr) BindToEnvironment(tree, *bind);
    MUSTER_RETURN_IF_ERROR(WithUnit(tree, {"hang"}, "after", "after_seconds", ParseDuration));
    MUSTER_RETURN_IF_ERROR(WithUnit(tree, {"hang"}, "first", "first_seconds", ParseDuration));
    for (const char* guard : {"cooldown", "dedup", "period", "approval", "canary"}) {
      const std::string key = std::string(guard) + "_seconds";
      MUSTER_RETURN_IF_ERROR(
          WithUnit(tree, {"retrain", "guards"}, guard, key.c_str(), ParseDuration));
    }
    MUSTER_RETURN_IF_ERROR(
        WithUnit(tree, {"retrain", "webhook"}, "age", "age_seconds", ParseDuration));
    if (auto* action = Find(tree, {"hang"}, "do"); action != nullptr) {
      auto& hang = tree.at("hang").get_object();
      file_.places_["hang.action"] = file_.places_["hang.do"];
      json::value said = *action;  // another key moves the others
      hang.erase("do");
      hang["action"] = std::move(said);
    }
    if (auto* parallel = Find(tree, {"budget"}, "parallel"); parallel != nullptr) {
      if (parallel->is_string() && parallel->get_string() == "auto") *parallel = 0;
    }
    if (auto* gates = Find(tree, {"model"}, "gates"); gates != nullptr) {
      MUSTER_RETURN_IF_ERROR(NormaliseGates(*gates, "model.gates", file_.places_));
    }
    SplitObjectives(tree);
    Policies(tree);
    SplitFixed(tree);
    MUSTER_ASSIGN_OR_RETURN(tables_, TakeTables(tree, folder_, file_.places_));
    return DataPaths(tree);
  }

  /// `trial.bind` travels as a variable, which the agent reads.
  void BindToEnvironment(json::object& tree, const json::value& bind) {
    auto& trial = tree.at("trial").get_object();
    json::value said = bind;  // another key moves the others
    trial.erase("bind");
    auto& env = trial["env"];
    if (env.is_null()) env = json::object();
    if (!env.is_object()) return;  // refused with its place
    file_.places_["trial.env.MUSTER_BIND"] = file_.places_["trial.bind"];
    env.get_object()["MUSTER_BIND"] = std::move(said);
  }

  /// `objective` may be a list.
  void SplitObjectives(json::object& tree) {
    auto* objective = tree.if_contains("objective");
    if (objective == nullptr || !objective->is_array() || objective->get_array().empty()) return;
    json::array all = std::move(objective->get_array());
    json::array more(all.begin() + 1, all.end());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string to =
          i == 0 ? "objective" : "more_objectives[" + std::to_string(i - 1) + "]";
      file_.places_[to] = file_.places_["objective[" + std::to_string(i) + "]"];
    }
    *objective = std::move(all.front());
    if (!more.empty()) tree["more_objectives"] = std::move(more);
  }

  /// `retry: {node: unlimited}`, and `on_log` with its rules' `do`; a lone rule needs no list.
  static void Policies(json::object& tree) {
    if (auto* retry = tree.if_contains("retry"); retry != nullptr && retry->is_object()) {
      for (auto& entry : retry->get_object()) {
        const bool unlimited = entry.value().is_string() && entry.value() == "unlimited";
        if (unlimited) entry.value() = wire::kUnlimited;
      }
    }
    auto* rules = tree.if_contains("on_log");
    if (rules == nullptr) return;
    if (rules->is_object()) *rules = json::array{*rules};
    if (!rules->is_array()) return;
    for (auto& rule : rules->get_array()) {
      if (!rule.is_object()) continue;
      json::object& keys = rule.get_object();
      const auto reaction = keys.find("do");
      if (reaction == keys.end()) continue;
      json::value value = std::move(reaction->value());
      keys.erase(reaction);
      keys["reaction"] = std::move(value);
    }
  }

  static json::value* Find(json::object& tree, std::initializer_list<const char*> parents,
                           const char* key) {
    json::object* map = &tree;
    for (const char* parent : parents) {
      auto* next = map->if_contains(parent);
      if (next == nullptr || !next->is_object()) return nullptr;
      map = &next->get_object();
    }
    return map->if_contains(key);
  }

  template <typename Parse>
  static Status WithUnit(json::object& tree, std::initializer_list<const char*> parents,
                         const char* key, const char* spec_key, Parse parse) {
    auto* value = Find(tree, parents, key);
    if (value == nullptr) return Ok();
    std::string path;
    json::object* map = &tree;
    for (const char* parent : parents) {
      path = Join(path, parent);
      map = &map->at(parent).get_object();
    }
    auto number = parse(PlainText(*value));
    if (!number.ok()) return number.error().With("at " + Join(path, key));
    map->erase(key);
    (*map)[spec_key] = *number;
    return Ok();
  }

  /// A scalar in `space` is a parameter that does not vary.
  static void SplitFixed(json::object& tree) {
    auto* space = tree.if_contains("space");
    if (space == nullptr || !space->is_object()) return;
    json::object varying, fixed;
    for (const auto& entry : space->get_object()) {
      const bool scalar = !entry.value().is_object() && !entry.value().is_array();
      (scalar ? fixed : varying)[entry.key()] = entry.value();
    }
    *space = std::move(varying);
    if (!fixed.empty()) tree["fixed"] = std::move(fixed);
  }

  /// A file, a pattern, a folder or a list of them, each under the sweep file's folder.
  [[nodiscard]] Result<std::string> DataPath(const std::string& key,
                                             const std::string& named) const {
    std::string absolute;
    for (std::size_t begin = 0; begin <= named.size();) {
      const std::size_t end = std::min(named.find(',', begin), named.size());
      const auto part = folder_ / named.substr(begin, end - begin);
      std::error_code failed;
      const auto path = std::filesystem::weakly_canonical(part, failed);
      if (failed) return Invalid("at data." + key + ": " + part.string() + ": " + failed.message());
      if (!std::filesystem::exists(path, failed)) {
        const auto files = ListFiles(path.string());
        if (!files.ok()) {
          return Invalid("at data." + key + ": " + files.error().message +
                         "; make it with muster data convert");
        }
      }
      absolute += (begin == 0 ? "" : ",") + path.string();
      begin = end + 1;
    }
    return absolute;
  }

  Status DataPaths(json::object& tree) {
    auto* data = tree.if_contains("data");
    if (data == nullptr || !data->is_object()) return Ok();
    for (auto& entry : data->get_object()) {
      if (!entry.value().is_string()) continue;
      MUSTER_ASSIGN_OR_RETURN(
          const std::string absolute,
          DataPath(std::string(entry.key()), std::string(entry.value().get_string())));
      entry.value() = json::value(absolute);
    }
    return Ok();
  }

  SweepFile& file_;
  YamlTree yaml_;
  std::filesystem::path folder_;
  std::vector<TableFile> tables_;
};

Result<SweepFile> SweepFile::Parse(std::string_view text, std::string_view name,
                                   const std::filesystem::path& folder,
                                   const std::vector<std::string>& overrides) {
  SweepFile file;
  file.name_ = name;
  MUSTER_RETURN_IF_ERROR(SweepFileReader(file, folder).Read(text, overrides));
  const auto search = coordinator::SearchSpecOf(file.spec_);
  if (!search.ok()) return file.Explain(search.error());
  if (const auto made = tuner::MakeSearch(*search); !made.ok()) return file.Explain(made.error());
  // An absolute one stays as it is.
  auto& working_dir = file.spec_.trial.working_dir;
  working_dir = working_dir.empty() ? folder.string() : (folder / working_dir).string();
  return file;
}

Result<SweepFile> SweepFile::Read(const std::filesystem::path& path,
                                  const std::vector<std::string>& overrides) {
  std::ifstream stream(path);
  std::ostringstream text;
  // An empty file is read as one: putting no character into `text` sets its failbit.
  if (stream) text << stream.rdbuf();
  if (!stream) {
    return NotFound(path.string() + ": there is no such sweep file, or it cannot be read");
  }
  const auto folder = std::filesystem::absolute(path).parent_path();
  return Parse(text.str(), path.string(), folder, overrides);
}

Error SweepFile::Explain(const Error& error) const {
  Error in_file = error;
  const auto located = wire::SplitPath(error.message);
  if (located && located->first.starts_with("on_log")) {
    constexpr std::string_view kSpecWord = "reaction", kFileWord = "do";
    for (auto at = in_file.message.find(kSpecWord); at != std::string::npos;
         at = in_file.message.find(kSpecWord)) {
      in_file.message.replace(at, kSpecWord.size(), kFileWord);
    }
  }
  return ExplainPlace(in_file, name_, places_);
}

}  // namespace muster::config
