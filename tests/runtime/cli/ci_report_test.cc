#include "runtime/cli/ci_report.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <sstream>

namespace muster::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

boost::json::object Firing(const std::string& state, const std::string& outcome,
                           const std::string& decision = "null") {
  return boost::json::parse(R"({"trigger":"t","model":"digits","sweep":"t-1","state":")" + state +
                            R"(","outcome":")" + outcome +
                            R"(","detail":"a <word> & more","trial_seconds":12.5,"decision":)" +
                            decision + R"(,"lines":["first | line","second"]})")
      .as_object();
}
const std::string kRefused =
    R"({"verdicts":[{"gate":"parity","passed":true,"seen":1e-7,"wanted":1e-5,"detail":"fine"},)"
    R"({"gate":"test/accuracy >= 0.97","passed":false,"seen":"NaN","wanted":0.97,"detail":"a \u0001|\nb"}]})";

TEST(CiVerdict, ExitCodesAreThoseOfTheHelp) {
  const std::tuple<const char*, const char*, Exit> rows[] = {
      {"decided", "promoted", kDone},
      {"canary", "", kDone},
      {"submitted", "", kDone},
      {"claimed", "", kDone},
      {"decided", "gated", kFailed},
      {"waiting", "", kFailed},
      {"decided", "rejected", kFailed},
      {"decided", "rolled_back", kFailed},
      {"decided", "expired", kFailed},
      {"decided", "superseded", kFailed},
      {"decided", "done", kUsage},
      {"skipped", "", kConflicting},
      {"decided", "failed", kRetrainingFailed},
      {"refused", "", kRetrainingFailed}};
  for (const auto& [state, outcome, exit] : rows) {
    EXPECT_EQ(VerdictOf(Firing(state, outcome)).exit, exit) << state << outcome;
  }
  EXPECT_EQ(VerdictOf(Firing("decided", "gated", kRefused)).sentence,
            "refused by test/accuracy >= 0.97; a <word> & more");
}

TEST(JUnitReport, IsXmlWithACaseAGate) {
  std::istringstream text(JUnitReport(Firing("decided", "gated", kRefused)));
  boost::property_tree::ptree tree;
  boost::property_tree::read_xml(text, tree);
  const auto& suite = tree.get_child("testsuites.testsuite");
  EXPECT_EQ(suite.get<std::string>("<xmlattr>.name"), "muster.digits");
  EXPECT_EQ(suite.get<int>("<xmlattr>.tests"), 3);
  EXPECT_EQ(suite.get<int>("<xmlattr>.failures"), 1);
  EXPECT_EQ(suite.get<int>("<xmlattr>.errors"), 0);
  EXPECT_EQ(suite.get<double>("<xmlattr>.time"), 12.5);
  int cases = 0;
  for (const auto& [tag, test] : suite) {
    if (tag != "testcase") continue;
    ++cases;
    const bool refused = test.get<std::string>("<xmlattr>.name") == "test/accuracy >= 0.97";
    EXPECT_EQ(test.count("failure"), refused ? 1U : 0U);
  }
  EXPECT_EQ(cases, 3);
}

TEST(JUnitReport, OfWhatNoGateSaw) {
  EXPECT_THAT(JUnitReport(Firing("decided", "failed")),
              AllOf(HasSubstr(R"(errors="1")"), HasSubstr(R"(name="sweep"><error)"),
                    HasSubstr("a &lt;word&gt; &amp; more"), Not(HasSubstr("<failure"))));
  EXPECT_THAT(JUnitReport(Firing("skipped", "")), HasSubstr(R"(name="guards"><failure)"));
  EXPECT_THAT(JUnitReport(Firing("waiting", "")), HasSubstr(R"(name="approvals"><failure)"));
}

TEST(MarkdownReport, HasOneRowAGateAndTheStory) {
  const std::string text = MarkdownReport(Firing("decided", "gated", kRefused));
  EXPECT_THAT(text, HasSubstr("## Retraining of digits: gated\n"));
  EXPECT_THAT(text, HasSubstr("| parity | passed | 1e-07 | 1e-05 | fine |\n"));
  EXPECT_THAT(text, HasSubstr("| **refused** | - | 0.97 | a \x01\\| b |\n"));
  EXPECT_THAT(text, HasSubstr("- first \\| line\n- second\n"));
}

}  // namespace
}  // namespace muster::cli
