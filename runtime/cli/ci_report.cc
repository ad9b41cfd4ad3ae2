#include "runtime/cli/ci_report.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <sstream>
#include <vector>

namespace muster::cli {
namespace {

using boost::property_tree::ptree;

std::string TextOf(const boost::json::object& object, const char* key) {
  const auto* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

std::string NumberOf(const boost::json::object& object, const char* key) {
  const auto* found = object.if_contains(key);
  if (found == nullptr || !found->is_number()) return "-";  // NaN is a string
  return Short(found->to_number<double>());
}

struct Gate {
  std::string name, seen, wanted, detail;
  bool passed = false;
};

std::vector<Gate> GatesOf(const boost::json::object& firing) {
  std::vector<Gate> gates;
  const auto* decision = firing.if_contains("decision");
  if (decision == nullptr || !decision->is_object()) return gates;
  const auto* verdicts = decision->get_object().if_contains("verdicts");
  if (verdicts == nullptr || !verdicts->is_array()) return gates;
  for (const auto& entry : verdicts->get_array()) {
    const auto& verdict = entry.as_object();
    gates.push_back({TextOf(verdict, "gate"), NumberOf(verdict, "seen"),
                     NumberOf(verdict, "wanted"), TextOf(verdict, "detail"),
                     verdict.at("passed").as_bool()});
  }
  return gates;
}

/// XML 1.0 has no other control characters, escaped or not.
std::string Printable(std::string text) {
  std::erase_if(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r';
  });
  return text;
}

/// One cell of a table.
std::string Cell(const std::string& text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c == '\n' || c == '\r' ? ' ' : c;
  }
  return cell;
}

/// The outcome, or the state of what is not decided.
std::string WordOf(const boost::json::object& firing) {
  const std::string outcome = TextOf(firing, "outcome");
  return outcome.empty() ? TextOf(firing, "state") : outcome;
}

class JUnit {
 public:
  explicit JUnit(std::string suite) : name_(Printable(std::move(suite))) {}

  /// `kind`: "" passed, "failure", "error".
  void Add(const std::string& name, const std::string& kind, const std::string& message) {
    ptree test;
    test.put("<xmlattr>.classname", name_);
    test.put("<xmlattr>.name", Printable(name));
    if (!kind.empty()) {
      ptree problem(Printable(message));
      problem.put("<xmlattr>.message", Printable(message));
      test.add_child(kind, problem);
    }
    (kind == "error" ? errors_ : failures_) += kind.empty() ? 0 : 1;
    tests_.push_back(std::move(test));
  }

  std::string Text(const std::string& seconds) const {
    ptree suite;
    suite.put("<xmlattr>.name", name_);
    suite.put("<xmlattr>.tests", tests_.size());
    suite.put("<xmlattr>.failures", failures_);
    suite.put("<xmlattr>.errors", errors_);
    suite.put("<xmlattr>.time", seconds);
    for (const ptree& test : tests_) suite.add_child("testcase", test);
    ptree root;
    root.add_child("testsuites.testsuite", suite);
    std::ostringstream text;
    boost::property_tree::write_xml(text, root);
    return text.str() + "\n";
  }

 private:
  std::string name_;
  std::vector<ptree> tests_;
  int failures_ = 0, errors_ = 0;
};

}  // namespace

CiVerdict VerdictOf(const boost::json::object& firing) {
  CiVerdict verdict{kDone, WordOf(firing), TextOf(firing, "detail")};
  const std::string& word = verdict.word;
  if (word == "gated") {
    std::string refused;
    for (const Gate& gate : GatesOf(firing)) {
      if (!gate.passed) refused += (refused.empty() ? "" : ", ") + gate.name;
    }
    if (!refused.empty()) verdict.sentence = "refused by " + refused + "; " + verdict.sentence;
  }
  if (word == "promoted" || word == "canary" || word == "claimed" || word == "submitted") {
    verdict.exit = kDone;
  } else if (word == "skipped" || word == "held") {
    verdict.exit = kConflicting;
  } else if (word == "failed" || word == "refused") {
    verdict.exit = kRetrainingFailed;
  } else if (word == "done") {
    verdict.exit = kUsage;
  } else {
    verdict.exit = kFailed;  // gated, waiting, rejected, expired, superseded, rolled_back
  }
  return verdict;
}

std::string JUnitReport(const boost::json::object& firing) {
  const CiVerdict verdict = VerdictOf(firing);
  const std::string model = TextOf(firing, "model");
  JUnit report("muster." + (model.empty() ? TextOf(firing, "trigger") : model));
  const auto gates = GatesOf(firing);
  if (verdict.exit == kConflicting) {
    report.Add("guards", "failure", verdict.sentence);
  } else if (verdict.exit == kRetrainingFailed || verdict.exit == kUsage) {
    report.Add("sweep", "error", verdict.sentence);
  } else {
    report.Add("sweep", "", "");
  }
  for (const Gate& gate : gates) {
    report.Add(gate.name, gate.passed ? "" : "failure",
               "seen " + gate.seen + ", wanted " + gate.wanted + ": " + gate.detail);
  }
  if (verdict.exit == kFailed && verdict.word != "gated") {
    report.Add(verdict.word == "waiting" ? "approvals" : verdict.word, "failure", verdict.sentence);
  }
  return report.Text(NumberOf(firing, "trial_seconds"));
}

std::string MarkdownReport(const boost::json::object& firing) {
  const CiVerdict verdict = VerdictOf(firing);
  std::string text = "## Retraining of " + TextOf(firing, "model") + ": " + verdict.word + "\n\n";
  if (!verdict.sentence.empty()) text += Cell(verdict.sentence) + "\n\n";
  if (const auto gates = GatesOf(firing); !gates.empty()) {
    text += "| gate | verdict | seen | wanted | why |\n|---|---|---|---|---|\n";
    for (const Gate& gate : gates) {
      text += "| " + Cell(gate.name) + " | " + (gate.passed ? "passed" : "**refused**") + " | " +
              gate.seen + " | " + gate.wanted + " | " + Cell(gate.detail) + " |\n";
    }
    text += "\n";
  }
  text += "### What happened\n\n";
  if (const auto* lines = firing.if_contains("lines"); lines != nullptr && lines->is_array()) {
    for (const auto& line : lines->get_array()) {
      text += "- " + Cell(std::string(line.as_string())) + "\n";
    }
  }
  return text + "\n`muster trigger explain " + TextOf(firing, "sweep") + "`\n";
}

}  // namespace muster::cli
