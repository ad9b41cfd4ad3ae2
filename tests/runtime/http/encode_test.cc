#include "runtime/http/encode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

namespace muster::http::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Gunzip(const std::string& packed, std::size_t size) {
  std::string text(size + 1, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

Response LongJson() {
  std::string text = "[";
  for (int i = 0; i < 2000; ++i) text += std::to_string(i) + ",";
  return Response::Text(text + "0]", 200, "application/json");
}

TEST(AppendHead, WritesLengthDateAndHeaders) {
  Response response = Response::Text("abc");
  response.headers["X-Two"] = "a\r\nInjected: b";
  response.headers["content-length"] = "999";
  std::string head;
  AppendHead(head, response, 3, false, "today");
  EXPECT_THAT(head, testing::StartsWith("HTTP/1.1 200 OK\r\nDate: today\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nX-Two: a  Injected: b\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("999")));
}

TEST(AppendHead, NoContent_HasNoLength) {
  std::string head;
  AppendHead(head, {.status = 204}, 0, true, "today");
  EXPECT_EQ(head, "HTTP/1.1 204 No Content\r\nDate: today\r\n\r\n");
}

TEST(CompressIfWanted, LongJson_RoundTrips) {
  Response response = LongJson();
  CompressIfWanted("deflate, gzip;q=0.8", response);
  EXPECT_EQ(response.headers["Content-Encoding"], "gzip");
  EXPECT_EQ(response.headers["Vary"], "Accept-Encoding");
  EXPECT_LT(response.body.size(), LongJson().body.size() / 2);
  EXPECT_EQ(Gunzip(response.body, LongJson().body.size()), LongJson().body);
}

TEST(CompressIfWanted, UnwantedShortOrBinary_StaysAsItIs) {
  Response unwanted = LongJson();
  CompressIfWanted("", unwanted);
  EXPECT_EQ(unwanted.body, LongJson().body);
  Response small = Response::Text("[]", 200, "application/json");
  CompressIfWanted("gzip", small);
  EXPECT_EQ(small.body, "[]");
  Response binary = Response::Text(LongJson().body, 200, "application/octet-stream");
  CompressIfWanted("gzip", binary);
  EXPECT_EQ(binary.body, LongJson().body);
}

TEST(Accepts, ReadsNamesAndWeights) {
  EXPECT_TRUE(Accepts("gzip", "gzip"));
  EXPECT_TRUE(Accepts("br , GZIP ; q=0.001", "gzip"));
  EXPECT_FALSE(Accepts("gzip;q=0", "gzip"));
  EXPECT_FALSE(Accepts("gzip;q=0.000, br", "gzip"));
  EXPECT_FALSE(Accepts("xgzip", "gzip"));
  EXPECT_FALSE(Accepts(",;,", "gzip"));
}

TEST(HttpDate, FormatsAsTheStandardSays) {
  EXPECT_EQ(HttpDate(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");  // RFC 9110, 5.6.7
}

}  // namespace
}  // namespace muster::http::internal
