#include "runtime/cli/follow.h"

#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <csignal>
#include <iostream>
#include <thread>

#include "runtime/cli/use_text.h"
#include "runtime/wire/api.h"

namespace muster::cli {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(500);

volatile std::sig_atomic_t interrupted = 0;

std::string Path(const std::string& id) {
  return "/api/muster/v1/sweeps/" + http::PercentEncode(id);
}

std::string ParamsText(const boost::json::object& params) {
  std::string text;
  for (const auto& entry : params) {
    text += (text.empty() ? "" : " ") + std::string(entry.key()) + "=";
    text += entry.value().is_double()   ? Short(entry.value().get_double())
            : entry.value().is_string() ? std::string(entry.value().get_string())
                                        : boost::json::serialize(entry.value());
  }
  return text;
}

double Seconds(const wire::TrialSummary& trial) {
  if (trial.started_ms == 0) return 0;
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  return static_cast<double>((trial.ended_ms == 0 ? now : trial.ended_ms) - trial.started_ms) / 1e3;
}

/// One line that says how far it is; rewritten in place on a terminal, printed on change elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}
  ~ProgressLine() {
    if (terminal_ && !last_.empty()) std::cerr << "\n";
  }
  void Show(const wire::SweepSummary& sweep) {
    const int ended = sweep.complete + sweep.pruned + sweep.failed;
    std::string line = sweep.id + ": " + sweep.state + ", " + std::to_string(ended) + " of " +
                       std::to_string(sweep.budget) + " trials ended (" +
                       std::to_string(sweep.pruned) + " pruned, " + std::to_string(sweep.failed) +
                       " failed), " + std::to_string(sweep.running) + " running";
    if (sweep.best) line += ", best " + sweep.metric + " " + Short(*sweep.best);
    Print(line);
  }
  void Print(const std::string& line) {
    if (quiet_ || line == last_) return;
    last_ = line;
    std::cerr << (terminal_ ? "\r\033[K" : "") << line << (terminal_ ? "" : "\n") << std::flush;
  }

 private:
  bool quiet_, terminal_;
  std::string last_;
};

void PrintPromotion(const wire::PromotionSummary& promotion) {
  if (promotion.state.empty()) return;
  std::cout << "\nmodel " << promotion.model << ": ";
  if (promotion.state == "promoted") {
    std::cout << "version " << promotion.version << " is now @" << promotion.alias;
  } else if (promotion.state == "kept") {
    std::cout << "@" << promotion.alias << " stays as it is";
  } else {
    std::cout << promotion.state;
  }
  if (!promotion.trial.empty()) std::cout << " (trial " << promotion.trial << ")";
  if (!promotion.reason.empty()) std::cout << ": " << promotion.reason;
  std::cout << "\n";
  Table gates({"GATE", "VERDICT", "SEEN", "DETAIL"});
  for (const auto& gate : promotion.gates) {
    gates.Add({gate.gate, gate.passed ? "passed" : "refused", Short(gate.seen), gate.detail});
  }
  if (!promotion.gates.empty()) gates.Print();
}

}  // namespace

InterruptNote::InterruptNote() {
  interrupted = 0;
  std::signal(SIGINT, [](int) { interrupted = 1; });
}

bool InterruptNote::seen() const { return interrupted != 0; }

int PrintSweep(const Context& context, http::Client& client, const std::string& id) {
  auto answer = client.Json("GET", Path(id));
  if (!answer.ok()) return Fail(context, answer.error());
  auto detail = wire::SweepDetailFromJson(*answer);
  if (!detail.ok()) return Fail(context, detail.error());
  auto trials = client.Json("GET", Path(id) + "/trials");
  if (!trials.ok()) return Fail(context, trials.error());

  const auto& sweep = detail->sweep;
  Table table({"TRIAL", "STATE", "STEP", sweep.metric, "ATTEMPTS", "TIME", "PARAMETERS"});
  for (const auto& entry : trials->at("trials").as_array()) {
    auto trial = wire::TrialSummaryFromJson(entry);
    if (!trial.ok()) return Fail(context, trial.error());
    const bool best = trial->id == sweep.best_trial;
    table.Add({trial->id + (best ? " *" : ""), trial->state, std::to_string(trial->step),
               trial->objective ? Short(*trial->objective) : "-", std::to_string(trial->attempts),
               Span(Seconds(*trial)),
               ParamsText(trial->params) + (trial->message.empty() ? "" : "  " + trial->message)});
  }
  table.Print();
  std::cout << "\n" << sweep.id << ": " << sweep.state;
  if (sweep.best) {
    std::cout << ", best " << sweep.metric << " " << Short(*sweep.best) << " (trial "
              << sweep.best_trial << ")";
  }
  if (sweep.busy_share > 0)  // 0 where its nodes were lent, and are gone
    std::cout << ", slots busy " << static_cast<int>(sweep.busy_share * 100) << " % of the time";
  std::cout << "\n";
  if (const std::string used = UseText(detail->used); !used.empty())
    std::cout << "used " << used << "\n";
  if (!sweep.message.empty()) std::cout << sweep.message << "\n";
  PrintPromotion(detail->promotion);
  return kDone;
}

int FollowSweep(const Context& context, http::Client& client, const std::string& id) {
  const InterruptNote interrupt;
  std::string state;
  boost::json::value last;
  {
    ProgressLine line(context.quiet || context.json);
    auto silent_since = std::chrono::steady_clock::now();
    while (!wire::IsFinal(state)) {
      if (interrupt.seen()) {
        line.Print(id + ": still running; muster sweep show " + id + " --follow shows it again, " +
                   "muster sweep cancel " + id + " ends it");
        return kInterrupted;
      }
      auto answer = client.Json("GET", Path(id));
      if (answer.ok()) {
        auto detail = wire::SweepDetailFromJson(*answer);
        if (!detail.ok()) return Fail(context, detail.error());
        silent_since = std::chrono::steady_clock::now();
        state = detail->sweep.state;
        last = *answer;
        line.Show(detail->sweep);
        if (wire::IsFinal(state)) break;
      } else if (answer.error().kind != ErrorKind::kUnavailable ||
                 std::chrono::steady_clock::now() - silent_since > kPatience) {
        return Fail(context, answer.error());
      } else {
        // The server may come back on another port; its home knows.
        line.Print(id + ": waiting for the server to come back");
        if (auto again = context.Connect(); again.ok()) client = std::move(again).value();
      }
      std::this_thread::sleep_for(kPoll);
    }
  }
  const int printed = PrintJson(context, last) ? kDone : PrintSweep(context, client, id);
  if (printed != kDone) return printed;
  return state == "complete" ? kDone : kFailed;
}

}  // namespace muster::cli
