#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/server/study_log.h"
#include "tuner/ask_tell.h"

namespace muster::server {

/// Studies that any number of clients ask and tell (tuner/README.md has the verbs), each answer durable before it
/// is given. Any thread.
///
/// 1. A request is answered in memory, under its study's lock; what it changed is put into the batch, under the
///    same lock: so the log has each study's records in its order.
/// 2. The writer commits the whole batch at once, then gives its answers.
/// 3. When a commit fails, its answers are that error, and before the next request every study is read again
///    from the log: nothing that was not durable is built upon.
class StudyService {
 public:
  using Done = std::function<void(Result<std::string>)>;

  /// Reads all studies of `file`, which it creates when missing. `vfs`: see sqlite::OpenOptions.
  static Result<std::unique_ptr<StudyService>> Open(const std::filesystem::path& file,
                                                    const char* vfs = nullptr);
  ~StudyService();  ///< after the answers that are under way

  /// One request, or an array of them: its answers then stand in an array, an error as {"error": ...} in its
  /// place, and those after it are answered all the same. `study` is what the path says; a request names none.
  /// `done` is called with JSON text from the writer's thread, or from here at once for what is refused.
  void Answer(const std::string& study, const boost::json::value& requests, Done done);
  /// [{"study", "trials", "unfinished"}, ...] by name.
  [[nodiscard]] boost::json::array List();

 private:
  /// A study: under the name "" in `search`. One that was dropped or could not be created is `gone` from entries_.
  struct Entry {
    std::mutex mutex;  ///< guards the rest
    tuner::AskTell search;
    bool gone = false;
  };
  struct Waiting {
    Result<std::string> answer;
    Done done;
  };
  struct Batch {
    std::vector<StudyLog::Row> rows;  ///< one of each that waits
    std::vector<Waiting> waiting;
  };

  explicit StudyService(StudyLog log);
  Status Load();
  Status Reload();
  /// A new one where there is none.
  std::shared_ptr<Entry> EntryOf(const std::string& study);
  /// False when the entry is gone; then nothing was done.
  bool AnswerIn(Entry& entry, const std::string& study, const boost::json::value& requests,
                Done& done);
  static Result<std::string> AnswerAll(Entry& entry, const boost::json::value& requests,
                                       tuner::AskTell::Changed& changed);
  void Loop();

  StudyLog log_;           ///< of the writer; of Reload while it holds all_
  std::shared_mutex all_;  ///< shared: by requests; alone: by Reload
  std::mutex entries_mutex_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;

  std::mutex mutex_;  ///< guards what follows
  std::condition_variable wake_;
  Batch batch_;
  bool writing_ = false, stale_ = false, stopping_ = false;
  std::thread writer_;
};

}  // namespace muster::server
