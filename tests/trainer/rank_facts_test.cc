#include "trainer/rank_facts.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace muster::trainer {
namespace {

const Facts kFacts = {{"a", "1"}, {"b", "2"}, {"c", "3"}};

TEST(FactsThatDiffer, Same_IsNothing) { EXPECT_EQ(FactsThatDiffer(kFacts, kFacts), ""); }

TEST(FactsThatDiffer, OtherValueMissingAndAdded_AllAreNamed) {
  EXPECT_EQ(FactsThatDiffer({{"a", "1"}, {"b", "5"}, {"d", "4"}}, kFacts),
            "b is 5, wanted 2; it has no c, wanted 3; it has d (4), which rank 0 has not");
}

TEST(FactsThatDiffer, OtherOrder_NamesTheFirstPlace) {
  EXPECT_EQ(FactsThatDiffer({{"a", "1"}, {"c", "3"}, {"b", "2"}}, kFacts),
            "at place 1 it has c, wanted b");
}

TEST(FactsThatDiffer, Many_TenAreNamed) {
  Facts many;
  for (int i = 0; i < 25; ++i) many.push_back({"p" + std::to_string(i), "x"});
  const std::string text = FactsThatDiffer({}, many);
  EXPECT_TRUE(text.starts_with("it has no p0, wanted x; it has no p1")) << text;
  EXPECT_TRUE(text.ends_with("it has no p9, wanted x; and 15 more")) << text;
}

TEST(Facts, AreWhatWasEncoded) {
  const Facts odd = {{"quote \" and \n line", ""}, {"", "\\ \xc3\xa4"}};
  const auto decoded = DecodeFacts(EncodeFacts(odd));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(*decoded, odd);
  EXPECT_FALSE(DecodeFacts("nothing").ok());
}

TEST(Facts, OfParametersAndData_AreNamed) {
  class Two final : public RowSource {
   public:
    [[nodiscard]] std::uint64_t rows() const override { return 7; }
    [[nodiscard]] const std::vector<Field>& fields() const override { return fields_; }
    Status Read(std::size_t, std::span<const std::uint64_t>, std::byte*) const override {
      return Ok();
    }
    [[nodiscard]] std::string name() const override { return "a file of this rank's"; }

   private:
    std::vector<Field> fields_ = {{"images", ElementType::kF32, {1, 8, 8}}};
  };
  EXPECT_EQ(SourceFacts("training", Two()),
            (Facts{{"number of rows of training data", "7"},
                   {"column 'images' of training data", "images f32 (1,8,8)"}}));
  const auto params = ReadParams({IntParam("width", 3, 1, 9, "")},
                                 boost::json::parse(R"({"width": 4})").as_object());
  EXPECT_EQ(ParamFacts(*params, 12), (Facts{{"seed", "12"}, {"value of 'width'", "4"}}));
}

}  // namespace
}  // namespace muster::trainer
