#include <algorithm>
#include <boost/json/array.hpp>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include "tests/tracker/mlflow/routes_fixture.h"

/// tests/golden/tracker/wire.jsonl, made by scripts/conformance/mlflow/record: what MLflow 3.18's own client asks
/// while a program logs, searches, registers and loads, and what its own server answers. Sent to these routes the
/// answers must be the same, where "<7>" is a variable (an id or a random name, bound where it is first answered),
/// "<time>" any time, and the order of tags, params, metrics and aliases is free.

namespace muster::tracker {
namespace {

namespace json = boost::json;

/// Where muster answers otherwise on purpose: infinities are kept (README).
const std::map<double, std::string> kClamped = {{1.7976931348623157e308, "Infinity"},
                                                {-1.7976931348623157e308, "-Infinity"}};
const std::set<std::string_view> kSets = {"tags", "params", "metrics", "aliases", "model_inputs"};

class Wire : public RoutesTest {
 protected:
  /// The text with what is known of its variables.
  std::string Filled(std::string text) const {
    for (const auto& [variable, value] : variables_) {
      for (std::size_t at = 0; (at = text.find(variable, at)) != text.npos; at += value.size()) {
        text.replace(at, variable.size(), value);
      }
    }
    return text;
  }

  void Compare(const json::value& wanted, const json::value& seen, const std::string& path) {
    if (wanted.is_object() && seen.is_object()) return CompareObjects(wanted, seen, path);
    if (wanted.is_array() && seen.is_array()) return CompareArrays(wanted, seen, path);
    if (wanted == "<time>") {
      EXPECT_TRUE(seen.is_int64()) << path;
    } else if (wanted.is_string()) {
      CompareTexts(std::string(wanted.as_string()), seen, path);
    } else if (wanted.is_double() && seen.is_string()) {
      // An infinity, or the NaN of a logged model, which MLflow reads back as 0.
      const bool nan = wanted == 0.0 && path.find("model") != path.npos;
      EXPECT_EQ(seen, json::value(nan ? "NaN" : kClamped.at(wanted.as_double()))) << path;
    } else if (wanted.is_number() && seen.is_number()) {
      EXPECT_EQ(wanted.to_number<double>(), seen.to_number<double>()) << path;
    } else {
      EXPECT_EQ(wanted, seen) << path;
    }
  }

 private:
  void CompareObjects(const json::value& wanted, const json::value& seen, const std::string& path) {
    for (const auto& member : wanted.as_object()) {
      const json::value* other = seen.as_object().if_contains(member.key());
      ASSERT_NE(other, nullptr) << path << "." << member.key() << " is missing";
      Compare(member.value(), *other, path + "." + std::string(member.key()));
    }
    for (const auto& member : seen.as_object()) {
      EXPECT_TRUE(wanted.as_object().contains(member.key()))
          << path << "." << member.key() << ": " << member.value() << " is too much";
    }
  }

  void CompareArrays(const json::value& wanted, const json::value& seen, const std::string& path) {
    std::vector<json::value> left(wanted.as_array().begin(), wanted.as_array().end());
    std::vector<json::value> right(seen.as_array().begin(), seen.as_array().end());
    ASSERT_EQ(left.size(), right.size()) << path << ": " << seen;
    // A history, which stands alone in its answer, has an order.
    const std::size_t dot = path.rfind('.');
    if (dot > 0 && kSets.contains(std::string_view(path).substr(dot + 1))) {
      for (auto* side : {&left, &right}) {
        std::ranges::sort(*side, {},
                          [&](const json::value& item) { return Filled(json::serialize(item)); });
      }
    }
    for (std::size_t i = 0; i < left.size(); ++i) {
      Compare(left[i], right[i], path + "[" + std::to_string(i) + "]");
    }
  }

  void CompareTexts(const std::string& wanted, const json::value& seen, const std::string& path) {
    ASSERT_TRUE(seen.is_string()) << path << ": " << seen;
    const std::string text(seen.as_string());
    const bool variable = wanted.starts_with('<') && wanted.find('>') == wanted.size() - 1;
    if (variable && !variables_.contains(wanted)) variables_[wanted] = text;
    const bool model = wanted.starts_with("m-<") && wanted.find('>') == wanted.size() - 1;
    if (model && !variables_.contains(wanted.substr(2)))
      variables_[wanted.substr(2)] = text.substr(2);
    EXPECT_EQ(Filled(wanted), text) << path;
  }

  std::map<std::string, std::string> variables_;
};

TEST_F(Wire, RequestsOfMlflowsClient_AreAnsweredAsByItsServer) {
  std::ifstream file(MUSTER_TEST_GOLDEN "/wire.jsonl");
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    // Registered and logged at different times, as over a wire: searches sort by it.
    clock_.Advance(std::chrono::milliseconds(1));
    const json::object pair = json::parse(line).as_object();
    const std::string call = Filled(std::string(pair.at("call").as_string()));
    const std::size_t space = call.find(' ');
    std::string body;
    if (const json::value* sent = pair.if_contains("body")) {
      body = *sent == "<file>" ? "of " + call.substr(call.rfind('/') + 1)
                               : Filled(json::serialize(*sent));
    }
    const auto answer = Send(call.substr(0, space), call.substr(space + 1), body);
    SCOPED_TRACE(std::to_string(count + 1) + ": " + call + " " + body + "\nanswered " +
                 answer.body);
    EXPECT_EQ(answer.status, pair.at("status").as_int64());
    const json::value& wanted = pair.at("answer");
    // Files, and the empty answer of an upload.
    if (wanted.is_object()) Compare(wanted, json::parse(answer.body), "");
  }
  EXPECT_GT(count, 200);
}

}  // namespace
}  // namespace muster::tracker
