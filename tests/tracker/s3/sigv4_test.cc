#include "tracker/s3/sigv4.h"

#include <gmock/gmock.h>

#include "runtime/base/sha256.h"

/// The examples of AWS's documentation ("Examples: Signature Calculations in AWS Signature Version 4" and
/// "Authenticating Requests: Using Query Parameters").

namespace muster::tracker::s3 {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

const Credentials kAda{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
const Scope kScope{"us-east-1", 1369353600};  // 2013-05-24 00:00:00

Unsigned Request(std::string method, std::string path, Pairs query = {}) {
  return {std::move(method),
          std::move(path),
          std::move(query),
          {{"host", "examplebucket.s3.amazonaws.com"}}};
}

std::string Authorization(Unsigned request, std::string_view body = "") {
  Sign(request, kAda, kScope, Sha256Hex(body));
  return request.headers.at("authorization");
}

TEST(SigV4, GetObjectWithARange) {
  Unsigned request = Request("GET", "/test.txt");
  request.headers["range"] = "bytes=0-9";
  EXPECT_EQ(Authorization(request),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4, PutObject) {
  Unsigned request = Request("PUT", "/test%24file.text");
  request.headers["date"] = "Fri, 24 May 2013 00:00:00 GMT";
  request.headers["x-amz-storage-class"] = "REDUCED_REDUNDANCY";
  EXPECT_THAT(Authorization(request, "Welcome to Amazon S3."),
              EndsWith("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST(SigV4, QueriesWithAndWithoutValues) {
  EXPECT_THAT(Authorization(Request("GET", "/", {{"lifecycle", ""}})),
              EndsWith("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
  EXPECT_THAT(Authorization(Request("GET", "/", {{"max-keys", "2"}, {"prefix", "J"}})),
              EndsWith("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST(SigV4, PresignedAddress) {
  Unsigned request = Request("GET", "/test.txt");
  Presign(request, kAda, kScope, 86400);
  EXPECT_EQ(QueryText(request.query),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
            "&X-Amz-SignedHeaders=host");
}

TEST(SigV4, TemporaryCredentials_TheirTokenIsSigned) {
  Credentials temporary = kAda;
  temporary.session_token = "tok/en";
  Unsigned request = Request("GET", "/test.txt");
  Sign(request, temporary, kScope, Sha256Hex(""));
  EXPECT_THAT(request.headers.at("authorization"), HasSubstr(";x-amz-security-token,"));
  Unsigned address = Request("GET", "/test.txt");
  Presign(address, temporary, kScope, 60);
  EXPECT_THAT(QueryText(address.query), HasSubstr("&X-Amz-Security-Token=tok%2Fen&"));
}

}  // namespace
}  // namespace muster::tracker::s3
