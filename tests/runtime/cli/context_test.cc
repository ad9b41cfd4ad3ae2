#include "runtime/cli/context.h"

#include <gmock/gmock.h>

#include <boost/json/array.hpp>

namespace muster::cli {
namespace {

TEST(ShowAnswer, AnswerOfAnotherShape_IsAnError) {
  const auto show = [](const boost::json::value& answer) {
    (void)answer.at("lines").as_array();
    return Ok();
  };
  for (const boost::json::value& answer : {boost::json::value{1, 2}, boost::json::value("text")}) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(ShowAnswer({}, answer, show), kFailed);
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                testing::HasSubstr("muster: the server's answer cannot be shown: "));
  }
}

}  // namespace
}  // namespace muster::cli
