#include "cluster/slurm/queue.h"

#include <algorithm>
#include <array>

#include "cluster/slurm/batch_job.h"
#include "cluster/slurm/text.h"

namespace muster::cluster::slurm {
namespace {

/// ASCII's unit separator, which nobody types into a name.
constexpr char kSeparator = '\x1f';

/// A field that is longer than its width is cut. Those of muster's jobs fit.
struct Field {
  std::string_view name;
  int width;
};
constexpr std::array<Field, 9> kFields{{{"ArrayJobID", 20},
                                        {"ArrayTaskID", 12},
                                        {"State", 40},
                                        {"Reason", 120},
                                        {"RestartCnt", 12},
                                        {"EndTime", 24},
                                        {"exit_code", 16},
                                        {"Comment", 160},
                                        {"Name", 240}}};
enum : std::uint8_t { kId, kIndex, kState, kReason, kRestarts, kEnd, kExit, kComment, kName };

struct StateName {
  std::string_view name;
  JobState state;
};
constexpr std::array<StateName, 25> kStates{{
    {"PENDING", JobState::kWaiting},       {"REQUEUED", JobState::kWaiting},
    {"REQUEUE_FED", JobState::kWaiting},   {"REQUEUE_HOLD", JobState::kWaiting},
    {"RESV_DEL_HOLD", JobState::kWaiting}, {"EXPEDITING", JobState::kWaiting},
    {"SPECIAL_EXIT", JobState::kWaiting},  {"CONFIGURING", JobState::kRunning},
    {"RUNNING", JobState::kRunning},       {"SUSPENDED", JobState::kRunning},
    {"STOPPED", JobState::kRunning},       {"RESIZING", JobState::kRunning},
    {"SIGNALING", JobState::kRunning},     {"COMPLETING", JobState::kEnding},
    {"STAGE_OUT", JobState::kEnding},      {"BOOT_FAIL", JobState::kEnded},
    {"CANCELLED", JobState::kEnded},       {"COMPLETED", JobState::kEnded},
    {"DEADLINE", JobState::kEnded},        {"FAILED", JobState::kEnded},
    {"NODE_FAIL", JobState::kEnded},       {"OUT_OF_MEMORY", JobState::kEnded},
    {"PREEMPTED", JobState::kEnded},       {"REVOKED", JobState::kEnded},
    {"TIMEOUT", JobState::kEnded},
}};

/// "exit 3", "signal 9", or nothing for exit 0. 22.05 prints the status of wait(2), 768; 23.02 and later ones "3:0".
std::string EndInWords(std::string_view code) {
  const auto parts = Split(code, ':');
  auto exit = NumberOf<int>(parts[0]).value_or(0);
  auto signal = NumberOf<int>(parts.back()).value_or(0);
  if (parts.size() == 1) {
    signal &= 127;
    exit >>= 8;
  }
  if (signal != 0) return "signal " + std::to_string(signal);
  return exit == 0 ? "" : "exit " + std::to_string(exit);
}

std::string Words(std::string_view state, std::string_view reason, std::string_view code) {
  std::string more(reason == "None" ? "" : reason);
  if (const std::string end = EndInWords(code); !end.empty())
    more += (more.empty() ? "" : ", ") + end;
  return std::string(state) + (more.empty() ? "" : " (" + more + ")");
}

bool ReadRow(std::string_view line, QueueRow& row) {
  auto fields = Split(line, kSeparator);
  // Each field is followed by the separator.
  if (fields.size() != kFields.size() + 1) return false;
  std::ranges::transform(fields, fields.begin(), Trimmed);
  const auto restarts = NumberOf<int>(fields[kRestarts]);
  if (fields[kId].empty() || !restarts) return false;
  const JobTag tag = ReadTag(fields[kComment], fields[kName]);
  const auto index = NumberOf<int>(fields[kIndex]);
  Job& job = row.job;
  row.array = fields[kId];
  job.id = row.array + (index ? "_" + std::to_string(*index) : "");
  job.key = tag.key;
  job.task = tag.first + index.value_or(0);
  job.state = StateOf(fields[kState]);
  job.restarts = *restarts;
  job.words =
      Words(fields[kState], fields[kReason], job.state == JobState::kEnded ? fields[kExit] : "0");
  job.failed = job.state == JobState::kEnded && fields[kState] != "COMPLETED";
  if (const auto end = NumberOf<std::int64_t>(fields[kEnd]); end && job.state == JobState::kRunning)
    job.ends_by = *end * 1'000;
  return true;
}

/// "gres/gpu=" of "cpu=8,gres/gpu=2,gres/gpu:a100=2,mem=4G" -> 2; nullopt where there is none, or the site does not count
/// them.
std::optional<double> AmountOf(std::string_view name, std::string_view resources) {
  for (const std::string_view resource : Split(resources, ',')) {
    if (resource.starts_with(name)) return NumberOf<double>(resource.substr(name.size()));
  }
  return std::nullopt;
}

void Add(std::optional<double>& sum, double more) { sum = sum.value_or(0) + more; }

}  // namespace

std::vector<std::string> QueueArguments() {
  // --all: those of hidden partitions.
  std::string format;
  for (const Field& field : kFields) {
    format += (format.empty() ? "" : ",") + std::string(field.name) + ":" +
              std::to_string(field.width) + kSeparator;
  }
  return {"squeue", "--noheader", "--all", "--array", "--me", "--states=all", "--Format=" + format};
}

std::vector<QueueRow> ReadQueue(std::string_view text) {
  std::vector<QueueRow> rows;
  for (const std::string_view line : Split(text, '\n')) {
    if (QueueRow row; ReadRow(line, row)) rows.push_back(std::move(row));
  }
  return rows;
}

JobState StateOf(std::string_view name) {
  const auto* const found = std::ranges::find(kStates, name, &StateName::name);
  return found == kStates.end() ? JobState::kEnding : found->state;
}

std::vector<std::string> UsageArguments(std::span<const JobRef> jobs) {
  std::string ids;
  for (const JobRef& job : jobs) ids += (ids.empty() ? "" : ",") + job.id;
  return {"sacct",
          "--noheader",
          "--parsable2",
          "--allocations",
          "--duplicates",
          "--jobs=" + ids,
          "--format=JobID,State,CPUTimeRAW,ElapsedRaw,ConsumedEnergyRaw,AllocTRES,JobName"};
}

void ReadUsage(std::string_view text, std::span<const JobRef> jobs, std::span<JobUsage> usages) {
  for (const std::string_view line : Split(text, '\n')) {
    const auto fields = Split(line, '|');
    if (fields.size() != 7) continue;
    const std::string key = ReadTag("", fields[6]).key;
    const std::string_view array = fields[0].substr(0, fields[0].find('_'));
    const auto job = std::ranges::find_if(jobs, [&](const JobRef& one) {
      return one.key == key && (one.id == fields[0] || one.id == array);
    });
    // "CANCELLED by 1000"; a requeued start is one that has ended.
    const std::string_view state = fields[1].substr(0, fields[1].find(' '));
    const bool ended = StateOf(state) == JobState::kEnded || state == "REQUEUED";
    const auto cpu = NumberOf<double>(fields[2]);
    const auto elapsed = NumberOf<double>(fields[3]);
    if (job == jobs.end() || !ended || !cpu || !elapsed) continue;
    JobUsage& usage = usages[static_cast<std::size_t>(job - jobs.begin())];
    Add(usage.cpu_seconds, *cpu);
    if (const auto gpus = AmountOf("gres/gpu=", fields[5]))
      Add(usage.gpu_seconds, *elapsed * *gpus);
    auto joules = NumberOf<double>(fields[4]);
    if (!joules) joules = AmountOf("energy=", fields[5]);
    // 0 is what is not measured; 2^64 - 2 what is not known.
    if (joules && *joules > 0 && *joules < 1e18) Add(usage.joules, *joules);
  }
}

}  // namespace muster::cluster::slurm
