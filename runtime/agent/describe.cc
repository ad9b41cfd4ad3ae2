#include "runtime/agent/describe.h"

#include <array>
#include <chrono>
#include <csignal>

namespace muster::agent {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

std::string Text(AttemptEpoch epoch) { return " " + std::to_string(epoch.value); }
std::string Text(std::int64_t number) { return " " + std::to_string(number); }

std::string Range(std::int64_t begin, std::int64_t end) {
  return " [" + std::to_string(begin) + ", " + std::to_string(end) + ")";
}

std::string List(const std::vector<AttemptEpoch>& epochs) {
  std::string text;
  for (const AttemptEpoch epoch : epochs) text += Text(epoch);
  return text.empty() ? " none" : text;
}

std::string_view PhaseName(wire::AttemptPhase phase) {
  constexpr std::array<std::string_view, 5> kNames = {"preparing", "prepared", "running",
                                                      "stopping", "exited"};
  return kNames.at(static_cast<std::size_t>(phase));
}

std::string Log(int rank, const std::string& stream) {
  return " " + std::to_string(rank) + "." + stream;
}

}  // namespace

std::string_view CauseName(wire::ExitCause cause) {
  constexpr std::array<std::string_view, 11> kNames = {"success", "resume",  "user",     "oom",
                                                       "node",    "preempt", "walltime", "hang",
                                                       "infra",   "fenced",  "stopped"};
  return kNames.at(static_cast<std::size_t>(cause));
}

std::string Describe(const wire::Message& message) {
  std::string text(wire::MessageName(message));
  text += std::visit(
      Overloaded{[](const wire::Hello& m) {
                   std::string all = " incarnation" + Text(m.incarnation) + ":";
                   for (const auto& report : m.attempts)
                     all += Text(report.epoch) + " " + std::string(PhaseName(report.phase));
                   return all;
                 },
                 [](const wire::Heartbeat& m) { return Text(m.sequence); },
                 [](const wire::HeartbeatAck& m) { return Text(m.sequence); },
                 [](const wire::Prepared& m) {
                   return Text(m.epoch) + " " + m.address + ":" + std::to_string(m.port);
                 },
                 [](const wire::Records& m) { return Text(m.epoch) + Range(m.begin, m.end); },
                 [](const wire::LogChunk& m) {
                   return Text(m.epoch) + Log(m.rank, m.stream) + " from" + Text(m.begin);
                 },
                 [](const wire::Exited& m) {
                   return Text(m.epoch) + " " + std::string(CauseName(m.cause)) +
                          (m.started ? " started" : " not started") + " records" +
                          Text(m.records_end) +
                          (m.used ? " cpu" + Text(m.used->cpu_ms) + " ms" : "") + ": " + m.message;
                 },
                 [](const wire::Welcome& m) {
                   return " coordinator" + Text(m.coordinator.value) + " keep" + List(m.keep) +
                          " kill" + List(m.kill);
                 },
                 [](const wire::Prepare& m) { return Text(m.epoch) + " of " + m.trial.value; },
                 [](const wire::Notice& m) {
                   std::string all = Text(m.epoch) + Text(m.number);
                   return all + ": " + m.text;
                 },
                 [](const wire::Ack& m) {
                   std::string all = Text(m.epoch) + " records" + Text(m.records_end);
                   for (const auto& [name, end] : m.logs_end) all += " " + name + Text(end);
                   return all;
                 },
                 [](const wire::Leaving& m) { return " " + std::string(CauseName(m.cause)); },
                 [](const wire::Retire& m) { return ": " + m.why; },
                 [](const auto& m) { return Text(m.epoch); }},
      message);
  return text;
}

std::string Describe(const Input& input) {
  return std::visit(
      Overloaded{
          [](const FoundAtStart& i) {
            std::string all = "found at start:";
            for (const auto& found : i.attempts)
              all += Text(found.prepare.epoch) + " " + std::string(PhaseName(found.phase));
            return all;
          },
          [](const Connected&) { return std::string("connected"); },
          [](const Disconnected&) { return std::string("disconnected"); },
          [](const Leave& i) { return "leave: " + std::string(CauseName(i.cause)); },
          [](const Refused& i) { return "refused: " + i.why; },
          [](const Received& i) { return "received " + Describe(i.envelope.message); },
          [](const Tick&) { return std::string("tick"); },
          [](const ShimReady& i) { return "shim ready" + Text(i.epoch); },
          [](const MakeFailed& i) { return "make failed" + Text(i.epoch) + ": " + i.message; },
          [](const ShimStarted& i) { return "shim started" + Text(i.epoch); },
          [](const Observed& i) { return "observed" + Text(i.epoch); },
          [](const HangInspected& i) { return "hang inspected" + Text(i.epoch); },
          [](const Activity& i) { return "activity" + Text(i.epoch); },
          [](const RecordsRead& i) {
            return "records read" + Text(i.epoch) + Range(i.begin, i.end);
          },
          [](const LogRead& i) {
            return "log read" + Text(i.epoch) + Log(i.rank, i.stream) + Range(i.begin, i.end);
          },
          [](const RanksExited& i) {
            std::string all = "ranks exited" + Text(i.epoch);
            for (const auto& rank : i.ranks)
              all += " " + std::to_string(rank.exit.rank) + ":" + std::to_string(rank.exit.code);
            return all + (i.all ? " all" : "");
          },
          [](const ShimLost& i) { return "shim lost" + Text(i.epoch); },
          [](const SlotEmpty& i) {
            return "slot empty" + Text(i.epoch) + " records" + Text(i.records_end);
          }},
      input);
}

std::string Describe(const Effect& effect) {
  return std::visit(
      Overloaded{
          [](const Send& e) { return "send " + Describe(e.envelope.message); },
          [](const MakeAttempt& e) { return "make" + Text(e.prepare.epoch); },
          [](const StartRanks& e) { return "start" + Text(e.go.epoch); },
          [](const SignalRanks& e) {
            return "signal" + Text(e.epoch) + (e.signal == SIGTERM ? " TERM" : " USR2");
          },
          [](const NoteEnd& e) {
            return "note" + Text(e.epoch) + " " + std::string(CauseName(e.cause));
          },
          [](const InspectHang& e) {
            std::string all = "inspect" + Text(e.epoch) + " ranks";
            for (const int rank : e.ranks) all += Text(rank);
            return all + ": " + e.why;
          },
          [](const RenewLease& e) {
            const auto until = e.until.time_since_epoch();
            return "lease until" +
                   Text(std::chrono::floor<std::chrono::milliseconds>(until).count());
          },
          [](const KillAttempt& e) { return "kill" + Text(e.epoch); },
          [](const ReadRecords& e) { return "read" + Text(e.epoch) + " from" + Text(e.begin); },
          [](const ReadLog& e) {
            return "read" + Text(e.epoch) + Log(e.rank, e.stream) + " from" + Text(e.begin);
          },
          [](const Quit& e) { return (e.failed ? "quit, failed: " : "quit: ") + e.why; },
          [](const ForgetAttempt& e) { return "forget" + Text(e.epoch); }},
      effect);
}

}  // namespace muster::agent
