#include "registry/safetensors.h"

#include <gmock/gmock.h>

#include "runtime/base/random.h"

namespace muster::registry {
namespace {

using testing::HasSubstr;

Tensor Make(std::string name, ElementType type, std::vector<std::int64_t> shape) {
  std::size_t size = ElementSize(type);
  for (const auto extent : shape) size *= static_cast<std::size_t>(extent);
  Tensor tensor{std::move(name), type, std::move(shape), std::vector<std::byte>(size)};
  for (std::size_t i = 0; i < size; ++i) tensor.bytes[i] = static_cast<std::byte>(i * 7 + 1);
  return tensor;
}

/// A file with this header and `data_size` zero bytes.
std::string Raw(std::string header, std::size_t data_size) {
  std::string file(8, '\0');
  for (int i = 0; i < 8; ++i)
    file[static_cast<std::size_t>(i)] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  return file + header + std::string(data_size, '\0');
}

std::string Refusal(const std::string& bytes) {
  const auto file = ReadSafetensors(bytes);
  EXPECT_FALSE(file.ok());
  if (file.ok()) return "";
  EXPECT_EQ(file.error().kind, ErrorKind::kCorrupt);
  return file.error().message;
}

TEST(Safetensors, EveryType_RoundTrips) {
  std::vector<Tensor> tensors;
  for (int type = 0; type <= static_cast<int>(ElementType::kBool); ++type) {
    tensors.push_back(Make("t" + std::to_string(type), static_cast<ElementType>(type), {2, 3}));
  }
  tensors.push_back(Make("scalar", ElementType::kF32, {}));
  tensors.push_back(Make("empty", ElementType::kF32, {0, 4}));
  const std::string bytes = WriteSafetensors(tensors, {{"by", "test"}});
  const auto file = ReadSafetensors(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->metadata.at("by"), "test");
  ASSERT_EQ(file->tensors.size(), tensors.size());
  for (const Tensor& wanted : tensors) {
    const auto found = file->Find(wanted.name);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ((*found)->type, wanted.type);
    EXPECT_EQ((*found)->shape, wanted.shape);
    EXPECT_EQ((*found)->bytes, wanted.bytes);
  }
  EXPECT_THAT(file->Find("x").error().message, HasSubstr("no tensor 'x'; there are: t0, t1"));
}

TEST(Safetensors, WrittenBytes_AreTheFormatsOwn) {
  Tensor tensor{"a", ElementType::kU8, {2}, {std::byte{1}, std::byte{2}}};
  const std::string header = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  std::string padded = header;
  padded.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(WriteSafetensors({tensor}), Raw(padded, 0) + "\x01\x02");
}

TEST(Safetensors, BrokenFiles_AreRefused) {
  EXPECT_THAT(Refusal("1234567"), HasSubstr("7 bytes"));
  EXPECT_THAT(Refusal(std::string(8, '\xff')), HasSubstr("a header of 18446744073709551615"));
  EXPECT_THAT(Refusal(Raw("[]", 0)), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(Refusal(Raw("{", 0)), HasSubstr("malformed JSON"));
  const auto entry = [](std::string dtype, std::string shape, std::string offsets) {
    return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + "}}";
  };
  EXPECT_THAT(Refusal(Raw(entry("F33", "[1]", "[0,4]"), 4)), HasSubstr("unknown dtype 'F33'"));
  EXPECT_THAT(Refusal(Raw(entry("F32", "[2]", "[0,4]"), 4)), HasSubstr("shape and dtype want 8"));
  EXPECT_THAT(Refusal(Raw(entry("F32", "[1]", "[0,4]"), 3)), HasSubstr("0..4 of 3 bytes"));
  EXPECT_THAT(Refusal(Raw(entry("F32", "[1]", "[4,0]"), 4)), HasSubstr("4..0"));
  EXPECT_THAT(Refusal(Raw(entry("F32", "[1]", "[1,5]"), 5)), HasSubstr("begins at 1"));
  EXPECT_THAT(Refusal(Raw(entry("F32", "[1]", "[0]"), 4)), HasSubstr("1 data_offsets"));
  EXPECT_THAT(Refusal(Raw(entry("F32", "[1]", "[0,4]"), 5)), HasSubstr("1 bytes after"));
  EXPECT_THAT(Refusal(Raw(entry("F32", "[-1]", "[0,4]"), 4)), HasSubstr("more than there can be"));
  EXPECT_THAT(Refusal(Raw(entry("F32", "[4294967296,4294967296]", "[0,0]"), 0)),
              HasSubstr("more than there can be"));
}

TEST(Safetensors, MutatedFiles_NeverCrash) {
  const std::string good = WriteSafetensors(
      {Make("inputs", ElementType::kF32, {3, 2}), Make("labels", ElementType::kI64, {3})});
  Random random(20261124);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good.substr(0, random.Below(good.size() + 1));
    if (random.Chance(0.7)) bytes = good;
    for (std::uint64_t flips = random.Below(4); flips > 0 && !bytes.empty(); --flips) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Below(256));
    }
    accepted += ReadSafetensors(bytes).ok() ? 1 : 0;
  }
  EXPECT_GT(accepted, 0) << "changed data is no error";
  EXPECT_LT(accepted, 20'000);
}

}  // namespace
}  // namespace muster::registry
