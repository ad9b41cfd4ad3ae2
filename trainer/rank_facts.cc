#include "trainer/rank_facts.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <unordered_map>

#include "runtime/wire/codec.h"

namespace muster::trainer {

BOOST_DESCRIBE_STRUCT(Fact, (), (what, value))

namespace {

constexpr std::size_t kNamedMost = 10;
using Values = std::unordered_map<std::string_view, std::string_view>;

Values ByName(const Facts& facts) {
  Values values;
  for (const Fact& fact : facts) values[fact.what] = fact.value;
  return values;
}

std::vector<std::string> DifferentValues(const Facts& mine, const Facts& wanted) {
  std::vector<std::string> texts;
  const Values own = ByName(mine);
  for (const Fact& fact : wanted) {
    const auto found = own.find(fact.what);
    if (found == own.end()) {
      texts.push_back("it has no " + fact.what + ", wanted " + fact.value);
    } else if (found->second != fact.value) {
      texts.push_back(fact.what + " is " + std::string(found->second) + ", wanted " + fact.value);
    }
  }
  const Values known = ByName(wanted);
  for (const Fact& fact : mine) {
    if (known.contains(fact.what)) continue;
    texts.push_back("it has " + fact.what + " (" + fact.value + "), which rank 0 has not");
  }
  return texts;
}

}  // namespace

Facts SourceFacts(std::string_view role, const RowSource& source) {
  const std::string of = std::string(role) + " data";
  Facts facts = {{"number of rows of " + of, std::to_string(source.rows())}};
  for (const Field& field : source.fields()) {
    facts.push_back({"column '" + field.name + "' of " + of, field.Text()});
  }
  return facts;
}

Facts ParamFacts(const Params& params, std::int64_t seed) {
  Facts facts = {{"seed", std::to_string(seed)}};
  for (const auto& entry : params.ToJson()) {
    facts.push_back(
        {"value of '" + std::string(entry.key()) + "'", boost::json::serialize(entry.value())});
  }
  return facts;
}

std::string EncodeFacts(const Facts& facts) { return wire::SerializeJson(wire::ToJson(facts)); }

Result<Facts> DecodeFacts(std::string_view text) { return wire::Decode<Facts>(text); }

std::string FactsThatDiffer(const Facts& mine, const Facts& of_rank_0) {
  std::vector<std::string> texts = DifferentValues(mine, of_rank_0);
  if (texts.empty()) {
    const auto place = std::ranges::mismatch(mine, of_rank_0);
    if (place.in1 == mine.end()) return "";
    texts.push_back("at place " + std::to_string(place.in1 - mine.begin()) + " it has " +
                    place.in1->what + ", wanted " + place.in2->what);
  }
  std::string text;
  for (std::size_t i = 0; i < std::min(texts.size(), kNamedMost); ++i) {
    text += (i == 0 ? "" : "; ") + texts[i];
  }
  if (texts.size() > kNamedMost) {
    text += "; and " + std::to_string(texts.size() - kNamedMost) + " more";
  }
  return text;
}

}  // namespace muster::trainer
