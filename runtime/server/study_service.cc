#include "runtime/server/study_service.h"

#include <utility>

#include "runtime/base/log.h"
#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

boost::json::object ErrorJson(const Error& error) {
  return {{"error", {{"kind", ErrorKindName(error.kind)}, {"message", error.message}}}};
}

bool Creates(const boost::json::value& requests) {
  const auto* first = &requests;
  if (requests.is_array() && !requests.get_array().empty()) first = &requests.get_array().front();
  const auto* op = first->is_object() ? first->get_object().if_contains("op") : nullptr;
  return op != nullptr && *op == "create";
}

}  // namespace

Result<std::unique_ptr<StudyService>> StudyService::Open(const std::filesystem::path& file,
                                                         const char* vfs) {
  MUSTER_ASSIGN_OR_RETURN(auto log, StudyLog::Open(file, vfs));
  std::unique_ptr<StudyService> service(new StudyService(std::move(log)));
  MUSTER_RETURN_IF_ERROR(service->Load());
  service->writer_ = std::thread([raw = service.get()] { raw->Loop(); });
  return service;
}

StudyService::StudyService(StudyLog log) : log_(std::move(log)) {}

StudyService::~StudyService() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (writer_.joinable()) writer_.join();
}

Status StudyService::Load() {
  entries_.clear();
  return log_.Replay([this](const std::string& study, std::string_view events) {
    return EntryOf(study)->search.Replay("", events);
  });
}

Status StudyService::Reload() {
  const std::unique_lock alone(all_);
  std::unique_lock lock(mutex_);
  if (!stale_) return Ok();
  if (writing_ || !batch_.waiting.empty()) {
    return Unavailable("a failed commit is being undone; ask again");
  }
  MUSTER_RETURN_IF_ERROR(Load());
  stale_ = false;
  return Ok();
}

std::shared_ptr<StudyService::Entry> StudyService::EntryOf(const std::string& study) {
  const std::lock_guard lock(entries_mutex_);
  auto& entry = entries_[study];
  if (!entry) entry = std::make_shared<Entry>();
  return entry;
}

Result<std::string> StudyService::AnswerAll(Entry& entry, const boost::json::value& requests,
                                            tuner::AskTell::Changed& changed) {
  const auto answer = [&](const boost::json::value& request) -> Result<boost::json::object> {
    if (!request.is_object()) return Invalid("wanted a JSON object or an array of them");
    const auto& object = request.get_object();
    if (object.contains("study")) return Invalid("at study: the path says which one; leave it out");
    return entry.search.Answer(object, &changed);
  };
  if (!requests.is_array()) {
    MUSTER_ASSIGN_OR_RETURN(auto answered, answer(requests));
    return wire::SerializeJson(answered);
  }
  boost::json::array answers;
  for (const auto& request : requests.get_array()) {
    auto answered = answer(request);
    answers.push_back(answered.ok() ? std::move(answered).value() : ErrorJson(answered.error()));
  }
  return wire::SerializeJson(answers);
}

void StudyService::Answer(const std::string& study, const boost::json::value& requests, Done done) {
  bool stale = false;
  {
    const std::lock_guard lock(mutex_);
    stale = stale_;
  }
  if (stale) {
    if (const Status reloaded = Reload(); !reloaded.ok()) return done(reloaded.error());
  }
  {
    const std::shared_lock shared(all_);
    while (!AnswerIn(*EntryOf(study), study, requests, done)) {
    }
  }
  wake_.notify_all();
}

bool StudyService::AnswerIn(Entry& entry, const std::string& study,
                            const boost::json::value& requests, Done& done) {
  const std::lock_guard own(entry.mutex);
  if (entry.gone) return false;
  StudyLog::Row row{study, {}};
  Result<std::string> answer =
      NotFound("there is no study '" + study + R"('; {"op": "create"} makes one)");
  if (entry.search.Find("") != nullptr || Creates(requests)) {
    answer = AnswerAll(entry, requests, row.changed);
  }
  {
    const std::lock_guard lock(mutex_);
    // Also what changed nothing waits for the commit of what it saw.
    batch_.rows.push_back(std::move(row));
    batch_.waiting.push_back({std::move(answer), std::move(done)});
  }
  if (entry.search.Find("") == nullptr) {
    entry.gone = true;
    const std::lock_guard lock(entries_mutex_);
    entries_.erase(study);
  }
  return true;
}

boost::json::array StudyService::List() {
  const std::shared_lock shared(all_);
  std::map<std::string, std::shared_ptr<Entry>> entries;
  {
    const std::lock_guard lock(entries_mutex_);
    entries = entries_;
  }
  boost::json::array list;
  for (const auto& [name, entry] : entries) {
    const std::lock_guard own(entry->mutex);
    const tuner::Study* study = entry->search.Find("");
    if (study == nullptr) continue;
    list.push_back(boost::json::object{{"study", name},
                                       {"trials", study->history().size()},
                                       {"unfinished", study->history().unfinished()}});
  }
  return list;
}

void StudyService::Loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !batch_.waiting.empty(); });
    if (batch_.waiting.empty()) return;
    Batch batch = std::exchange(batch_, {});
    // What was answered on top of a batch that failed must fail with it.
    Status status = stale_ ? Status(Unavailable("an earlier commit failed")) : Ok();
    writing_ = true;
    lock.unlock();
    if (status.ok()) status = log_.Append(batch.rows);
    if (!status.ok()) LogError("studies", status.error().message);
    lock.lock();
    writing_ = false;
    stale_ = stale_ || !status.ok();
    lock.unlock();
    for (Waiting& waiting : batch.waiting) {
      waiting.done(status.ok() ? std::move(waiting.answer) : Result<std::string>(status.error()));
    }
    lock.lock();
  }
}

}  // namespace muster::server
