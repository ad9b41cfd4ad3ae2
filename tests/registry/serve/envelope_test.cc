#include "registry/serve/envelope.h"

#include <gtest/gtest.h>

namespace muster::registry::serve {
namespace {

http::Request Asked(http::Headers headers) {
  http::Request request;
  request.headers = std::move(headers);
  return request;
}

TEST(Envelope, IdAndTrace_ComeBackWhenTheyArePrintable) {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto envelope = EnvelopeOf(
      Asked({{"x-request-id", "a b"}, {"traceparent", trace}, {"Tracestate", "k=v"}}), {}, 7);
  http::Response response;
  Seal(envelope, response);
  EXPECT_EQ(
      response.headers,
      (http::Headers{{"X-Request-Id", "a b"}, {"traceparent", trace}, {"tracestate", "k=v"}}));
  for (const std::string& wrong : {std::string("a\nb"), std::string(129, 'a'), std::string()}) {
    const auto fresh =
        EnvelopeOf(Asked({{"X-Request-Id", wrong}, {"traceparent", "\x80"}}), {}, 0xAF);
    EXPECT_EQ(fresh.request_id, "0000000000000af");
    EXPECT_EQ(fresh.traceparent, "");
  }
}

TEST(Seal, PacksWhatIsLargeAndNotPackedYet) {
  const std::string large(1025, 'x');
  const auto sealed = [](std::string_view accept, http::Response response) {
    Seal(EnvelopeOf(Asked({{"Accept-Encoding", std::string(accept)}}), {}, 1), response);
    return response;
  };
  const auto packed = sealed("deflate", {.body = large});
  EXPECT_EQ(packed.headers.at("Content-Encoding"), "deflate");
  EXPECT_EQ(Unpack(packed.body, "deflate", large.size()).value(), large);
  EXPECT_EQ(sealed("", {.body = large}).body, large);
  EXPECT_EQ(sealed("gzip", {.body = large.substr(1)}).body, large.substr(1));
  EXPECT_EQ(sealed("gzip", {.headers = {{"Content-Encoding", "br"}}, .body = large}).body, large);
}

}  // namespace
}  // namespace muster::registry::serve
