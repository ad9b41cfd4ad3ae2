#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/runtime/wire/examples.h"
#include "tests/runtime/wire/random_message.h"

/// tests/golden/wire: the bytes of each message type. major1/ and major2/ pin what is sent today (major 2 as
/// hexadecimal, 32 bytes a line); old/ holds what was sent before a member was added and must be read for as
/// long as its major is spoken. To add a member: copy the message's files to old/<name>.<what> first, then run
/// this test with MUSTER_WRITE_GOLDEN=1.

namespace muster::wire {
namespace {

const std::filesystem::path kFolder = MUSTER_TEST_GOLDEN;

std::string ReadFile(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

std::string ToHex(const std::string& bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    hex += kDigits[byte / 16];
    hex += kDigits[byte % 16];
    if (i % 32 == 31 || i + 1 == bytes.size()) hex += '\n';
  }
  return hex;
}

std::string FromHex(const std::string& hex) {
  std::string bytes, digits;
  for (const char digit : hex) {
    if (digit == '\n') continue;
    digits += digit;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return bytes;
}

std::string FileText(const Envelope& envelope) {
  const std::string bytes = EncodeEnvelope(envelope);
  return envelope.major == 1 ? bytes + "\n" : ToHex(bytes);
}
std::string Bytes(const std::filesystem::path& file) {
  const std::string text = ReadFile(file);
  return file.extension() == ".hex" ? FromHex(text) : text;
}
std::filesystem::path FileOf(const Envelope& envelope) {
  return kFolder / ("major" + std::to_string(envelope.major)) /
         (std::string(MessageName(envelope.message)) + (envelope.major == 1 ? ".json" : ".hex"));
}

TEST(Golden, EveryMessageInBothMajors_HasTheBytesOfItsFile) {
  const bool write = std::getenv("MUSTER_WRITE_GOLDEN") != nullptr;
  ASSERT_EQ(Examples().size(), std::variant_size_v<Message>);
  for (Envelope example : Examples()) {
    for (const int major : {1, 2}) {
      example.major = major;
      const auto file = FileOf(example);
      if (write) {
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << FileText(example);
      }
      EXPECT_EQ(FileText(example), ReadFile(file)) << file;
      const auto back = DecodeEnvelope(Bytes(file));
      ASSERT_TRUE(back.ok()) << file << ": " << back.error().message;
      EXPECT_TRUE(Same(back->message, example.message)) << file;
    }
  }
}

TEST(Golden, WhatWasOnceSent_IsRead) {
  int read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder / "old")) {
    const auto back = DecodeEnvelope(Bytes(entry.path()));
    ASSERT_TRUE(back.ok()) << entry.path() << ": " << back.error().message;
    EXPECT_TRUE(entry.path().filename().string().starts_with(MessageName(back->message)));
    ++read;
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace muster::wire
