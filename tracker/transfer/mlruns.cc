#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>

#include "runtime/base/file.h"
#include "tracker/transfer/source.h"
#include "tracker/transfer/yaml_file.h"

/// MLflow's file store (mlflow/store/tracking/file_store.py), read as its own migration to a database does
/// (mlflow/store/fs2db):
///
///   <experiment>/meta.yaml, tags/<key>                     one file a tag, param or metric; a key with '/'
///   <experiment>/<run>/meta.yaml                            is a path
///   <experiment>/<run>/{params,tags,metrics}/<key>         metrics: lines "ts value step [dataset digest]"
///   <experiment>/<run>/{inputs,outputs}/<id>/meta.yaml
///   <experiment>/datasets/<id>/meta.yaml
///   <experiment>/models/<model>/meta.yaml, params, tags    logged models
///   <experiment>/models/<model>/metrics/<key>              lines "ts value step run [dataset digest]"
///   models/<name>/meta.yaml, tags, aliases                  the registry
///   models/<name>/version-<n>/meta.yaml, tags
///   .trash/<experiment>/...                                 deleted experiments

namespace muster::tracker {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPointsAtOnce = 1'000;
constexpr auto kMeta = "meta.yaml";

/// The folders in `folder`, by name; none when it is not there.
std::vector<fs::path> Subfolders(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (entry.is_directory(failed)) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

/// The files below `folder` by their keys, sorted; none when it is not there.
std::map<std::string, fs::path> KeyFiles(const fs::path& folder) {
  std::map<std::string, fs::path> found;
  std::error_code failed;
  for (const auto& entry : fs::recursive_directory_iterator(folder, failed)) {
    if (entry.is_regular_file(failed)) {
      found.emplace(entry.path().lexically_relative(folder).generic_string(), entry.path());
    }
  }
  return found;
}

Result<std::vector<Tag>> KeyValues(const fs::path& folder) {
  std::vector<Tag> pairs;
  for (const auto& [key, file] : KeyFiles(folder)) {
    MUSTER_ASSIGN_OR_RETURN(std::string value, ReadWholeFile(file));
    pairs.push_back({key, std::move(value)});
  }
  return pairs;
}

template <typename Number>
bool Parse(std::string_view text, Number& number) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size();
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  while (!line.empty()) {
    const auto space = line.find(' ');
    words.push_back(line.substr(0, space));
    line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  }
  return words;
}

/// A line of a run's metric or (with the run after the step) of a logged model's.
struct PointLine {
  Metric point;
  RunId run;
};
Result<PointLine> ParsePoint(std::string_view text, bool of_model) {
  const auto words = Words(text);
  const std::size_t dataset = of_model ? 4 : 3;
  PointLine line;
  // MLflow before 1.0 wrote no step.
  const bool whole = of_model ? words.size() == 4 || words.size() == 6
                              : words.size() == 2 || words.size() == 3 || words.size() == 5;
  if (!whole || !Parse(words[0], line.point.timestamp_ms) || !Parse(words[1], line.point.value) ||
      (words.size() > 2 && !Parse(words[2], line.point.step))) {
    return Corrupt("'" + std::string(text.substr(0, 200)) + "' is no metric's line: wanted time, " +
                   "value, step" + (of_model ? ", run" : "") +
                   " and perhaps a dataset's name and digest");
  }
  if (of_model) line.run = RunId(std::string(words[3]));
  if (words.size() == dataset + 2) {
    line.point.dataset_name = words[dataset];
    line.point.dataset_digest = words[dataset + 1];
  }
  return line;
}

Status EachLine(const fs::path& file, bool of_model, const Visit<PointLine>& visit) {
  std::ifstream in(file);
  if (!in) return Error{ErrorKind::kIo, file.string() + ": cannot be read"};
  std::string text;
  for (int number = 1; std::getline(in, text); ++number) {
    if (text.empty()) continue;
    auto line = ParsePoint(text, of_model);
    if (!line) return line.error().With(file.string() + ":" + std::to_string(number));
    MUSTER_RETURN_IF_ERROR(visit(std::move(*line)));
  }
  return Ok();
}

bool IsNumber(const std::string& name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

class MlrunsFolder final : public ImportSource {
 public:
  explicit MlrunsFolder(fs::path root) : root_(std::move(root)) {}

  Result<std::vector<Experiment>> Experiments() override {
    std::vector<Experiment> experiments;
    for (const fs::path& place : {root_, root_ / ".trash"}) {
      for (const fs::path& folder : Subfolders(place)) {
        if (!IsNumber(folder.filename())) continue;
        MUSTER_ASSIGN_OR_RETURN(YamlFile meta, YamlFile::Read(folder / kMeta));
        Experiment experiment{.experiment_id = folder.filename(),
                              .name = meta.Text("name"),
                              .artifact_location = meta.Text("artifact_location"),
                              .deleted = meta.Text("lifecycle_stage") == "deleted",
                              .creation_time_ms = meta.Int("creation_time"),
                              .last_update_time_ms = meta.Int("last_update_time")};
        MUSTER_RETURN_IF_ERROR(meta.status());
        MUSTER_ASSIGN_OR_RETURN(experiment.tags, KeyValues(folder / "tags"));
        folders_[experiment.experiment_id] = folder;
        experiments.push_back(std::move(experiment));
      }
    }
    return experiments;
  }

  Status LoggedModels(const Experiment& experiment, const Visit<LoggedModel>& visit) override;
  Status Runs(const Experiment& experiment, const Visit<Run>& visit) override;
  Status Points(const Run& run, const Visit<std::vector<Metric>>& visit) override;
  Result<std::vector<SourceModel>> RegisteredModels() override;

  [[nodiscard]] std::optional<fs::path> Folder(std::string_view uri) const override {
    auto path = LocalPath(uri, root_);
    if (!path || fs::exists(*path)) return path;
    // The tree was moved: the last parts still say where, "<experiment>/<run>/artifacts".
    fs::path tail;
    for (auto part = path->end(); part != path->begin();) {
      tail = tail.empty() ? *--part : *--part / tail;
      if (!IsNumber(*part)) continue;
      const auto moved = folders_.find(part->string());
      if (moved != folders_.end()) return moved->second.parent_path() / tail;
    }
    return path;
  }

  Result<std::vector<std::string>> LeftOut() override {
    std::size_t traces = 0;
    for (const auto& [id, folder] : folders_) traces += Subfolders(folder / "traces").size();
    if (traces == 0) return std::vector<std::string>();
    return std::vector{std::to_string(traces) + " traces"};
  }

 private:
  Status ReadLinks(const fs::path& folder, const fs::path& datasets, Run& run) const;

  const fs::path root_;
  std::map<std::string, fs::path> folders_;                // of the experiments
  std::map<RunId, std::vector<Metric>> points_of_models_;  // of the experiment that is visited
};

Status MlrunsFolder::LoggedModels(const Experiment& experiment, const Visit<LoggedModel>& visit) {
  constexpr std::array<std::string_view, 4> kStatus = {
      "", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"};
  points_of_models_.clear();
  for (const fs::path& folder : Subfolders(folders_.at(experiment.experiment_id) / "models")) {
    MUSTER_ASSIGN_OR_RETURN(YamlFile meta, YamlFile::Read(folder / kMeta));
    if (meta.Text("lifecycle_stage") == "deleted") continue;
    LoggedModel model{.model_id = meta.Text("model_id"),
                      .experiment_id = experiment.experiment_id,
                      .name = meta.Text("name"),
                      .artifact_uri = meta.Text("artifact_location"),
                      .model_type = meta.Text("model_type"),
                      .source_run_id = meta.Text("source_run_id"),
                      .creation_ms = meta.Int("creation_timestamp"),
                      .last_updated_ms = meta.Int("last_updated_timestamp")};
    const std::int64_t status = meta.Int("status");
    MUSTER_RETURN_IF_ERROR(meta.status());
    if (status < 1 || status >= std::ssize(kStatus)) {
      return Corrupt((folder / kMeta).string() + ": status " + std::to_string(status) +
                     "; known are 1 to 3");
    }
    model.status = kStatus.at(static_cast<std::size_t>(status));
    MUSTER_ASSIGN_OR_RETURN(model.tags, KeyValues(folder / "tags"));
    MUSTER_ASSIGN_OR_RETURN(model.params, KeyValues(folder / "params"));
    for (const auto& [key, file] : KeyFiles(folder / "metrics")) {
      MUSTER_RETURN_IF_ERROR(EachLine(file, true, [&](PointLine line) -> Status {
        line.point.key = key;
        line.point.model_id = model.model_id;
        points_of_models_[line.run].push_back(std::move(line.point));
        return Ok();
      }));
    }
    MUSTER_RETURN_IF_ERROR(visit(std::move(model)));
  }
  return Ok();
}

Status MlrunsFolder::ReadLinks(const fs::path& folder, const fs::path& datasets, Run& run) const {
  for (const fs::path& link : Subfolders(folder / "inputs")) {
    MUSTER_ASSIGN_OR_RETURN(YamlFile meta, YamlFile::Read(link / kMeta));
    const std::string id = meta.Text("source_id");
    if (meta.Text("source_type") == "MODEL") {
      run.model_inputs.push_back(id);
    } else {
      MUSTER_ASSIGN_OR_RETURN(YamlFile dataset, YamlFile::Read(datasets / id / kMeta));
      DatasetInput input{{dataset.Text("name"), dataset.Text("digest"), dataset.Text("source_type"),
                          dataset.Text("source"), dataset.Text("schema"), dataset.Text("profile")},
                         {}};
      for (auto& [key, value] : meta.Map("tags")) input.tags.push_back({key, value});
      MUSTER_RETURN_IF_ERROR(dataset.status());
      run.dataset_inputs.push_back(std::move(input));
    }
    MUSTER_RETURN_IF_ERROR(meta.status());
  }
  for (const fs::path& link : Subfolders(folder / "outputs")) {
    MUSTER_ASSIGN_OR_RETURN(YamlFile meta, YamlFile::Read(link / kMeta));
    run.model_outputs.emplace_back(meta.Text("destination_id"), meta.Int("step"));
    MUSTER_RETURN_IF_ERROR(meta.status());
  }
  return Ok();
}

Status MlrunsFolder::Runs(const Experiment& experiment, const Visit<Run>& visit) {
  const fs::path& home = folders_.at(experiment.experiment_id);
  for (const fs::path& folder : Subfolders(home)) {
    if (!fs::exists(folder / kMeta)) continue;  // tags, datasets, models, traces
    MUSTER_ASSIGN_OR_RETURN(YamlFile meta, YamlFile::Read(folder / kMeta));
    Run run;
    run.info = {.run_id = RunId(folder.filename()),
                .experiment_id = experiment.experiment_id,
                .run_name = meta.Text(meta.Has("run_name") ? "run_name" : "name"),
                .user_id = meta.Text("user_id"),
                .artifact_uri = meta.Text("artifact_uri"),
                .start_time_ms = meta.Int("start_time"),
                .deleted = meta.Text("lifecycle_stage") == "deleted"};
    if (meta.Has("end_time")) run.info.end_time_ms = meta.Int("end_time");
    const std::int64_t status = meta.Int("status");
    MUSTER_RETURN_IF_ERROR(meta.status());
    if (status < 1 || status > 5) {
      return Corrupt((folder / kMeta).string() + ": status " + std::to_string(status) +
                     "; known are 1 to 5");
    }
    run.info.status = static_cast<RunStatus>(status);
    MUSTER_ASSIGN_OR_RETURN(run.params, KeyValues(folder / "params"));
    MUSTER_ASSIGN_OR_RETURN(run.tags, KeyValues(folder / "tags"));
    MUSTER_RETURN_IF_ERROR(ReadLinks(folder, home / "datasets", run));
    MUSTER_RETURN_IF_ERROR(visit(std::move(run)));
  }
  return Ok();
}

Status MlrunsFolder::Points(const Run& run, const Visit<std::vector<Metric>>& visit) {
  const fs::path folder = folders_.at(run.info.experiment_id) / run.info.run_id.value / "metrics";
  std::vector<Metric> points;
  const auto add = [&](Metric point) -> Status {
    points.push_back(std::move(point));
    if (points.size() < kPointsAtOnce) return Ok();
    return visit(std::exchange(points, {}));
  };
  for (const auto& [key, file] : KeyFiles(folder)) {
    MUSTER_RETURN_IF_ERROR(EachLine(file, false, [&](PointLine line) {
      line.point.key = key;
      return add(std::move(line.point));
    }));
  }
  const auto of_models = points_of_models_.find(run.info.run_id);
  if (of_models != points_of_models_.end()) {
    for (const Metric& point : of_models->second) MUSTER_RETURN_IF_ERROR(add(point));
  }
  return points.empty() ? Ok() : visit(std::move(points));
}

Result<std::vector<SourceModel>> MlrunsFolder::RegisteredModels() {
  std::vector<SourceModel> models;
  const auto tags_of = [](const fs::path& folder) -> Result<std::vector<registry::Tag>> {
    MUSTER_ASSIGN_OR_RETURN(const auto pairs, KeyValues(folder));
    std::vector<registry::Tag> tags;
    tags.reserve(pairs.size());
    for (const Tag& tag : pairs) tags.push_back({tag.key, tag.value});
    return tags;
  };
  for (const fs::path& folder : Subfolders(root_ / "models")) {
    MUSTER_ASSIGN_OR_RETURN(YamlFile meta, YamlFile::Read(folder / kMeta));
    SourceModel model;
    model.model.name = meta.Text("name");
    model.model.description = meta.Text("description");
    MUSTER_RETURN_IF_ERROR(meta.status());
    MUSTER_ASSIGN_OR_RETURN(model.model.tags, tags_of(folder / "tags"));
    MUSTER_ASSIGN_OR_RETURN(const auto aliases, KeyValues(folder / "aliases"));
    for (const Tag& alias : aliases) {
      std::int64_t version = 0;
      if (!Parse(std::string_view(alias.value), version)) {
        return Corrupt((folder / "aliases" / alias.key).string() + ": '" + alias.value +
                       "' is no version");
      }
      model.model.aliases.push_back({alias.key, version});
    }
    for (const fs::path& inner : Subfolders(folder)) {
      if (!inner.filename().string().starts_with("version-")) continue;
      MUSTER_ASSIGN_OR_RETURN(YamlFile about, YamlFile::Read(inner / kMeta));
      registry::ModelVersion version;
      version.name = model.model.name;
      version.version = about.Int("version");
      version.stage = about.Text("current_stage");
      version.description = about.Text("description");
      version.source = about.Text("source");
      version.run_id = about.Text("run_id");
      version.run_link = about.Text("run_link");
      MUSTER_RETURN_IF_ERROR(about.status());
      MUSTER_ASSIGN_OR_RETURN(version.tags, tags_of(inner / "tags"));
      if (version.stage != "Deleted_Internal") model.versions.push_back(std::move(version));
    }
    std::ranges::sort(model.versions, {}, &registry::ModelVersion::version);
    models.push_back(std::move(model));
  }
  return models;
}

}  // namespace

Result<std::unique_ptr<ImportSource>> OpenMlrunsFolder(const fs::path& folder) {
  std::error_code failed;
  const auto is_experiment = [&](const fs::path& inner) {
    return IsNumber(inner.filename()) && fs::exists(inner / kMeta, failed);
  };
  if (!std::ranges::any_of(Subfolders(folder), is_experiment) &&
      !std::ranges::any_of(Subfolders(folder / ".trash"), is_experiment)) {
    return Corrupt(folder.string() + ": no mlruns folder: it has no <experiment id>/meta.yaml");
  }
  return std::unique_ptr<ImportSource>(std::make_unique<MlrunsFolder>(folder));
}

}  // namespace muster::tracker
