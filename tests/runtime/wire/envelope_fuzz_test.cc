// Mutations of the golden messages, the same ones in each run. MUSTER_FUZZ_ROUNDS asks for more, MUSTER_FUZZ_SEED
// for others. What it finds is meant to be seen under the address sanitizer (scripts/test asan -R wire_fuzz).
#include <gtest/gtest.h>

#include <cstdlib>

#include "runtime/wire/refusal.h"
#include "tests/runtime/wire/examples.h"
#include "tests/runtime/wire/frame_layout.h"
#include "tests/runtime/wire/random_message.h"

/// count_allocations.cc
extern std::size_t allocated_bytes;

namespace muster::wire {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {
    for (Envelope example : Examples()) {
      for (const int major : {1, 2}) {
        example.major = major;
        corpus_.push_back(EncodeEnvelope(example));
      }
    }
  }

  std::string Next() {
    std::string bytes = Pick();
    for (std::uint64_t left = 1 + random_.Below(4); left > 0; --left) Mutate(bytes);
    // Most of what is behind the checksum would never be reached otherwise.
    if (random_.Chance(0.7)) Seal(bytes);
    return bytes;
  }

 private:
  const std::string& Pick() { return corpus_[random_.Below(corpus_.size())]; }
  std::size_t Place(const std::string& bytes) { return random_.Below(bytes.size() + 1); }

  void Mutate(std::string& bytes) {
    const std::size_t at = Place(bytes);
    const std::size_t size = random_.Below(32);
    switch (random_.Below(8)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_.Below(8)));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random_.Next());
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(at, size);
        break;
      case 4:
        bytes.insert(at, bytes.substr(Place(bytes), size));
        break;
      case 5: {  // the head of one, the tail of another
        const std::string& other = Pick();
        bytes = bytes.substr(0, at) + other.substr(Place(other));
        break;
      }
      case 6: {
        static constexpr std::string_view kPieces[] = {
            "{",    "}",     "[",        "]",       ",",
            "\"",   ":",     "null",     "true",    "-1",
            "1e99", "\\u00", "[[",       "{\"a\":", "9223372036854775808",
            "\xFF", "NaN",   "\"node\":"};
        bytes.insert(at, kPieces[random_.Below(std::size(kPieces))]);
        break;
      }
      default: {  // a number in the header
        const std::uint64_t numbers[] = {
            0, 1, 63, 64, 65, 0x7FFF, 0xFFFF, 0xFFFFFFFF, random_.Next()};
        const std::size_t size_of = std::size_t{1} << random_.Below(4);
        if (bytes.size() >= 64)
          PutNumber(bytes, 4 + random_.Below(56 - size_of), size_of,
                    numbers[random_.Below(std::size(numbers))]);
      }
    }
  }

  Random random_;
  std::vector<std::string> corpus_;
};

TEST(EnvelopeFuzz, MutatedMessages_AreReadOrRefusedWithASentence) {
  Mutator mutator(FromEnvironment("MUSTER_FUZZ_SEED", 1));
  const std::uint64_t rounds = FromEnvironment("MUSTER_FUZZ_ROUNDS", 200'000);
  std::uint64_t read = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::string bytes = mutator.Next();
    allocated_bytes = 0;
    const auto decoded = DecodeEnvelope(bytes);
    ASSERT_LE(allocated_bytes, 100 * bytes.size() + 16'384) << "round " << round;
    DecodeRefusal(bytes);
    if (!decoded.ok()) {
      ASSERT_FALSE(decoded.error().message.empty()) << "round " << round;
      ASSERT_LE(decoded.error().message.size(), 1000U) << decoded.error().message;
      continue;
    }
    ++read;
    const auto again = DecodeEnvelope(EncodeEnvelope(*decoded));
    ASSERT_TRUE(again.ok()) << "round " << round << ": " << again.error().message;
    ASSERT_TRUE(Same(again->message, decoded->message)) << "round " << round;
  }
  // A fuzzer that is only ever refused tests the first check alone.
  EXPECT_GT(read, rounds / 50);
  EXPECT_LT(read, rounds);
}

}  // namespace
}  // namespace muster::wire
