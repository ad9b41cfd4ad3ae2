#include <cstdint>
#include <string>

#include "runtime/base/check.h"
#include "runtime/http/range.h"
#include "tests/tracker/fuzz/lines.h"

/// Lines: Range, If-Range, If-None-Match, ETag, the file's size in digits. What is answered lies within the file.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace muster;
  fuzz::Lines lines(data, size);
  http::internal::Conditions asked;
  asked.range = lines.Next();
  asked.if_range = lines.Next();
  asked.if_none_match = lines.Next();
  const std::string etag(lines.Next());
  std::uint64_t file = 0;
  for (const char c : lines.Next().substr(0, 18)) {
    if (c >= '0' && c <= '9') file = file * 10 + static_cast<std::uint64_t>(c - '0');
  }
  const auto part = http::internal::SelectPart(asked, etag, file);
  switch (part.status) {
    case 200:
      MUSTER_CHECK(part.offset == 0 && part.length == file, "all of it");
      break;
    case 206:
      MUSTER_CHECK(part.length > 0 && part.offset < file && part.length <= file - part.offset,
                   "a part of it");
      break;
    default:
      MUSTER_CHECK(part.status == 304 || part.status == 416, "no other answer");
  }
  (void)http::internal::ContentRange(part, file);
  return 0;
}
