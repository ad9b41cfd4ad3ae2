#include "tracker/run_rules.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "runtime/base/random.h"
#include "runtime/filter/names.h"
#include "runtime/filter/python_text.h"

namespace muster::tracker {

namespace {

constexpr std::size_t kKeyCharacters = 250;
constexpr std::size_t kParamCharacters = 6'000;
constexpr std::size_t kTagCharacters = 8'000;

std::string Quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

/// "metrics[3].name", or "name" when the entity stands alone.
std::string PathOf(const Batch& batch, std::string_view list, std::size_t index,
                   std::string_view member) {
  if (batch.single) return std::string(member);
  return std::string(list) + "[" + std::to_string(index) + "]." + std::string(member);
}

Status CheckMetrics(const Batch& batch) {
  for (std::size_t i = 0; i < batch.metrics.size(); ++i) {
    const Metric& metric = batch.metrics[i];
    MUSTER_RETURN_IF_ERROR(filter::CheckName(metric.key, PathOf(batch, "metrics", i, "name")));
    if (metric.timestamp_ms < 0) {
      return Invalid("Invalid value " + std::to_string(metric.timestamp_ms) + " for parameter " +
                     Quoted(PathOf(batch, "metrics", i, "timestamp")) + " supplied: metric " +
                     Quoted(metric.key) + " (value=" + filter::PythonRepr(metric.value) +
                     "). Timestamp must be a nonnegative long (64-bit integer) ");
    }
    MUSTER_RETURN_IF_ERROR(filter::CheckLength("Metric name", metric.key, kKeyCharacters));
  }
  return Ok();
}

Status CheckRanks(const Batch& batch) {
  const auto check = [](int rank, int least) -> Status {
    if (rank >= least && rank <= kRankMost) return Ok();
    return Invalid("rank " + std::to_string(rank) + "; wanted 0 to " + std::to_string(kRankMost));
  };
  for (const Metric& metric : batch.metrics) {
    MUSTER_RETURN_IF_ERROR(check(metric.rank, kNoRank));
  }
  for (const RankPlace& place : batch.places) MUSTER_RETURN_IF_ERROR(check(place.rank, 0));
  return Ok();
}

Status PrepareParams(Batch& batch) {
  for (std::size_t i = 0; i < batch.params.size(); ++i) {
    Param& param = batch.params[i];
    MUSTER_RETURN_IF_ERROR(filter::CheckName(param.key, PathOf(batch, "params", i, "key")));
    MUSTER_RETURN_IF_ERROR(filter::CheckLength("Param key", param.key, kKeyCharacters));
    filter::CutTo(param.value, kParamCharacters);
  }
  return Ok();
}

Status CheckParamsOnce(const Batch& batch) {
  std::set<std::string_view> seen;
  std::vector<std::string> duplicates;
  for (const Param& param : batch.params) {
    if (!seen.insert(param.key).second) duplicates.push_back(param.key);
  }
  if (duplicates.empty()) return Ok();
  return Invalid("Duplicate parameter keys have been submitted: " + filter::PythonList(duplicates) +
                 ". Please ensure the request contains only one param value per param key.");
}

/// Cuts their values, too.
void KeepLastTags(std::vector<Tag>& tags) {
  std::vector<Tag> kept;
  kept.reserve(tags.size());  // so that the keys stay where `places` looks at them
  std::map<std::string_view, std::size_t> places;
  for (Tag& tag : tags) {
    filter::CutTo(tag.value, kTagCharacters);
    if (const auto same = places.find(tag.key); same != places.end()) {
      kept[same->second].value = std::move(tag.value);
    } else {
      kept.push_back(std::move(tag));
      places.emplace(kept.back().key, kept.size() - 1);
    }
  }
  tags = std::move(kept);
}

Status PrepareTags(Batch& batch) {
  for (std::size_t i = 0; i < batch.tags.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(CheckKey(batch.tags[i].key, PathOf(batch, "tags", i, "key")));
  }
  // A run keeps its name rather than have none.
  std::erase_if(batch.tags,
                [](const Tag& tag) { return tag.key == kRunNameTag && tag.value.empty(); });
  KeepLastTags(batch.tags);
  return Ok();
}

Status CheckCount(std::string_view what, std::size_t limit, std::size_t count) {
  if (count <= limit) return Ok();
  const std::string name(what);
  return Invalid("A batch logging request can contain at most " + std::to_string(limit) + " " +
                 name + ". Got " + std::to_string(count) + " " + name + ". Please split up " +
                 name + " across multiple requests and try again.");
}

double OrderValue(const Metric& metric) { return std::isnan(metric.value) ? 0 : metric.value; }

}  // namespace

std::string_view RunStatusName(RunStatus status) {
  switch (status) {
    case RunStatus::kRunning:
      return "RUNNING";
    case RunStatus::kScheduled:
      return "SCHEDULED";
    case RunStatus::kFinished:
      return "FINISHED";
    case RunStatus::kFailed:
      return "FAILED";
    case RunStatus::kKilled:
      return "KILLED";
  }
  MUSTER_CHECK(false, "a RunStatus outside its enumerators");
  return "";
}

std::optional<RunStatus> RunStatusFromName(std::string_view name) {
  for (const RunStatus status : {RunStatus::kRunning, RunStatus::kScheduled, RunStatus::kFinished,
                                 RunStatus::kFailed, RunStatus::kKilled}) {
    if (RunStatusName(status) == name) return status;
  }
  return std::nullopt;
}

Error ExperimentNotFound(std::string_view experiment_id) {
  return NotFound("No Experiment with id=" + std::string(experiment_id) + " exists");
}

Error ExperimentNotActive(std::string_view experiment_id) {
  return Invalid("The experiment " + std::string(experiment_id) +
                 " must be in the 'active' state. Current state is deleted.");
}

Error RunNotFound(const RunId& run_id) {
  return NotFound("Run with id=" + run_id.value + " not found");
}

Error RunNotActive(const RunId& run_id) {
  return Invalid("The run " + run_id.value +
                 " must be in the 'active' state. Current state is deleted.");
}

Error LoggedModelNotFound(std::string_view model_id) {
  return NotFound("Logged model with ID " + Quoted(model_id) + " not found.");
}

Error ExperimentExists(std::string_view name) {
  return AlreadyExists("Experiment(name=" + std::string(name) + ") already exists.");
}

Error ExperimentNameNotFound(std::string_view name) {
  return NotFound("Could not find experiment with name " + Quoted(name));
}

Error NoExperimentTag(std::string_view experiment_id, std::string_view key) {
  return NotFound("No tag with name: " + std::string(key) + " in experiment with id " +
                  std::string(experiment_id));
}

Error NoRunTag(const RunId& run_id, std::string_view key) {
  return NotFound("No tag with name: " + std::string(key) + " in run with id " + run_id.value);
}

Error NoLoggedModelTag(std::string_view model_id, std::string_view key) {
  return NotFound("No tag with key " + filter::PythonRepr(key) + " found for model with ID " +
                  Quoted(model_id) + ".");
}

std::string ArtifactUri(std::string_view location, std::string_view folder) {
  // "s3://bucket/path?key=value": the path grows, the query stays behind it.
  const std::size_t query = std::min(location.find('?'), location.size());
  const std::string_view path = location.substr(0, query);
  const std::string_view slash = path.ends_with('/') ? "" : "/";
  return std::string(path) + std::string(slash) + std::string(folder) + "/artifacts" +
         std::string(location.substr(query));
}

Result<std::int64_t> ParseExperimentId(std::string_view experiment_id) {
  // As Python's int(): blanks around it are none of the number.
  constexpr std::string_view kBlanks = " \t\r\n\f\v";
  std::string_view digits = experiment_id;
  digits.remove_prefix(std::min(digits.find_first_not_of(kBlanks), digits.size()));
  digits = digits.substr(0, digits.find_last_not_of(kBlanks) + 1);
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  std::int64_t id = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (error == std::errc() && stop == digits.data() + digits.size() && !digits.empty()) return id;
  return Invalid("Invalid experiment ID " + Quoted(experiment_id) +
                 ". Experiment ID must be a valid integer.");
}

Status CheckExperimentIds(const SearchQuery& query) {
  for (const std::string& id : query.experiment_ids) {
    MUSTER_RETURN_IF_ERROR(ParseExperimentId(id));
  }
  return Ok();
}

Status CheckExperimentName(std::string_view name) {
  if (name.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Invalid("Invalid experiment name: " + Quoted(name));
  }
  return filter::CheckLength("name", name, 500);
}

Status CheckExperimentTag(std::string_view key, std::string_view value) {
  MUSTER_RETURN_IF_ERROR(CheckKey(key, "key"));
  return filter::CheckLength("value", value, 20'000);
}

Status CheckKey(std::string_view key, std::string_view path) {
  MUSTER_RETURN_IF_ERROR(filter::CheckName(key, path));
  return filter::CheckLength(path, key, kKeyCharacters);
}

Status CheckLoggedModelName(std::string_view name) {
  if (name.find_first_of("/:.%\"'") == std::string_view::npos) return Ok();
  return Invalid("Invalid model name (" + filter::PythonRepr(name) +
                 ") provided. Model name must be a non-empty string and cannot contain the "
                 "following characters: ('/', ':', '.', '%', '\"', \"'\")");
}

Status CheckLoggedModelStatus(std::string_view status) {
  if (status == "LOGGED_MODEL_PENDING" || status == "LOGGED_MODEL_READY" ||
      status == "LOGGED_MODEL_UPLOAD_FAILED") {
    return Ok();
  }
  return Invalid("Invalid model status: " + Quoted(status) +
                 ". Expected LOGGED_MODEL_PENDING, LOGGED_MODEL_READY or "
                 "LOGGED_MODEL_UPLOAD_FAILED.");
}

Status CheckDatasets(const std::vector<DatasetInput>& datasets) {
  for (const DatasetInput& input : datasets) {
    const Dataset& dataset = input.dataset;
    MUSTER_RETURN_IF_ERROR(filter::CheckLength("name", dataset.name, 500));
    MUSTER_RETURN_IF_ERROR(filter::CheckLength("digest", dataset.digest, 36));
    MUSTER_RETURN_IF_ERROR(filter::CheckLength("source", dataset.source, 65'535));
    MUSTER_RETURN_IF_ERROR(filter::CheckLength("schema", dataset.schema, 1'048'575));
    MUSTER_RETURN_IF_ERROR(filter::CheckLength("profile", dataset.profile, 16'777'215));
    for (const Tag& tag : input.tags) {
      MUSTER_RETURN_IF_ERROR(filter::CheckLength("key", tag.key, 255));
      MUSTER_RETURN_IF_ERROR(filter::CheckLength("value", tag.value, 500));
    }
  }
  return Ok();
}

Status CheckRunId(const RunId& run_id) {
  const std::string& id = run_id.value;
  const bool begins = !id.empty() && static_cast<unsigned char>(id[0]) < 0x80 && id[0] != '_';
  if (begins && filter::HasOnlyWords(id.substr(0, 1), "") &&
      filter::HasOnlyWords(id.substr(1), "-") && filter::Characters(id) <= 256) {
    return Ok();
  }
  return filter::InvalidValue("run_id", id);
}

Status PrepareEntities(Batch& batch) {
  MUSTER_RETURN_IF_ERROR(CheckMetrics(batch));
  MUSTER_RETURN_IF_ERROR(PrepareParams(batch));
  return PrepareTags(batch);
}

void TellOwn(const MetricObserver& observer, const RunId& run_id,
             const std::vector<Metric>& metrics) {
  const auto own = [](const Metric& metric) { return metric.rank == kNoRank; };
  if (!observer || std::ranges::none_of(metrics, own)) return;
  if (std::ranges::all_of(metrics, own)) return observer(run_id, metrics);
  std::vector<Metric> some;
  std::ranges::copy_if(metrics, std::back_inserter(some), own);
  observer(run_id, some);
}

void Update(RankPlace& place, const RankPlace& newer) {
  if (!newer.node.empty()) place.node = newer.node;
  if (newer.gpu >= 0) place.gpu = newer.gpu;
}

Status PrepareBatch(Batch& batch) {
  MUSTER_RETURN_IF_ERROR(PrepareEntities(batch));
  MUSTER_RETURN_IF_ERROR(CheckRanks(batch));
  return CheckParamsOnce(batch);
}

Status CheckBatchLimits(const Batch& batch) {
  MUSTER_RETURN_IF_ERROR(CheckCount("metrics", 1'000, batch.metrics.size()));
  MUSTER_RETURN_IF_ERROR(CheckCount("params", 100, batch.params.size()));
  MUSTER_RETURN_IF_ERROR(CheckCount("tags", 100, batch.tags.size()));
  return CheckCount("metrics, params, and tags", 1'000,
                    batch.metrics.size() + batch.params.size() + batch.tags.size());
}

Error ParamsChanged(const RunId& run_id, bool single, const std::vector<ParamChange>& changes) {
  const std::string head = "Changing param values is not allowed. ";
  const std::string run = " for run ID=" + Quoted(run_id.value) + ".";
  if (single) {
    const ParamChange& change = changes.front();
    return Invalid(head + "Param with key=" + Quoted(change.key) +
                   " was already logged with value=" + Quoted(change.old_value) + run +
                   " Attempted logging new value " + Quoted(change.new_value) + ".");
  }
  std::string list;
  for (const ParamChange& change : changes) {
    list += (list.empty() ? "{'key': " : ", {'key': ") + filter::PythonRepr(change.key) +
            ", 'old_value': " + filter::PythonRepr(change.old_value) +
            ", 'new_value': " + filter::PythonRepr(change.new_value) + "}";
  }
  return Invalid(head + "Params were already logged='[" + list + "]'" + run);
}

Status CompleteRun(NewRun& run) {
  if (run.tags.size() > kMaxRunTags) {
    return Invalid("A run can be created with at most " + std::to_string(kMaxRunTags) +
                   " tags. Got " + std::to_string(run.tags.size()) + " tags.");
  }
  Batch batch{.metrics = {}, .params = {}, .tags = std::move(run.tags)};
  KeepLastTags(batch.tags);
  run.tags = std::move(batch.tags);
  filter::CutTo(run.run_name, kTagCharacters);  // as its tag
  const auto tag = std::ranges::find(run.tags, kRunNameTag, &Tag::key);
  const std::string tagged = tag == run.tags.end() ? "" : tag->value;
  if (!run.run_name.empty() && !tagged.empty() && run.run_name != tagged) {
    return Invalid(
        "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different "
        "values (run_name=" +
        Quoted(run.run_name) + ", mlflow.runName=" + Quoted(tagged) + ").");
  }
  for (const Tag& given : run.tags) {
    MUSTER_RETURN_IF_ERROR(filter::CheckLength("key", given.key, kKeyCharacters));
  }
  if (run.run_name.empty()) run.run_name = tagged.empty() ? RandomName() : tagged;
  if (tag == run.tags.end()) {
    run.tags.push_back({std::string(kRunNameTag), run.run_name});
  } else {
    tag->value = run.run_name;
  }
  if (run.run_id.empty()) run.run_id = RunId(RandomHex(16));
  return Ok();
}

std::string RandomName() {
  static constexpr std::string_view kAdjectives[] = {
      "able",  "brisk", "calm",  "clever", "daring",  "eager", "fair",   "fleet",
      "frank", "glad",  "grand", "keen",   "kind",    "light", "lively", "lucid",
      "merry", "mild",  "neat",  "noble",  "patient", "plain", "proud",  "quick",
      "quiet", "ready", "sharp", "sober",  "steady",  "swift", "tidy",   "warm"};
  static constexpr std::string_view kNouns[] = {
      "auk",   "badger", "bison",  "crane", "curlew", "deer",  "dolphin", "eagle",
      "finch", "fox",    "gull",   "hare",  "heron",  "ibex",  "jay",     "kite",
      "lark",  "lynx",   "marten", "mole",  "newt",   "otter", "owl",     "perch",
      "raven", "robin",  "seal",   "stoat", "swan",   "trout", "vole",    "wren"};
  const std::string hex = RandomHex(4);
  const unsigned long bits = std::stoul(hex, nullptr, 16);
  return std::string(kAdjectives[bits % 32]) + "-" + std::string(kNouns[bits / 32 % 32]) + "-" +
         std::to_string(100 + bits / 1024 % 900);
}

bool IsLater(const Metric& a, const Metric& b) {
  return std::tuple(a.step, a.timestamp_ms, OrderValue(a)) >
         std::tuple(b.step, b.timestamp_ms, OrderValue(b));
}

bool InHistoryOrder(const Metric& a, const Metric& b) {
  return std::tuple(a.timestamp_ms, a.step, OrderValue(a), std::isnan(a.value)) <
         std::tuple(b.timestamp_ms, b.step, OrderValue(b), std::isnan(b.value));
}

bool IsHidden(std::int64_t attempt, std::int64_t step, std::span<const Resume> resumes) {
  return attempt > 0 && std::ranges::any_of(resumes, [&](const Resume& resume) {
           return attempt < resume.attempt && step > resume.step;
         });
}

Status CheckMaxResults(std::int64_t max_results, std::int64_t limit) {
  const std::string head = "Invalid value " + std::to_string(max_results) +
                           " for parameter 'max_results' supplied. It must be ";
  if (max_results < 1) return Invalid(head + "a positive integer");
  if (max_results > limit) return Invalid(head + "at most " + std::to_string(limit));
  return Ok();
}

Status CheckChartWindow(const ChartWindow& window) {
  if (window.pixels >= 1 && window.pixels <= kMaxPixels) return Ok();
  return Invalid("Invalid value " + std::to_string(window.pixels) +
                 " for the pixels of a chart: wanted 1 to " + std::to_string(kMaxPixels));
}

Status CheckRankWindow(const ChartWindow& window) {
  if (window.axis != Axis::kStep) return Invalid("a view over ranks is by step");
  return CheckChartWindow(window);
}

}  // namespace muster::tracker
