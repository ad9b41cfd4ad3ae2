#include "tracker/transfer/table.h"

#include <flatbuffers/flatbuffers.h>
#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace muster::tracker {
namespace {

constexpr std::array<Column, 3> kColumns = {
    {{"name"}, {"count", ColumnType::kInteger}, {"value", ColumnType::kNumber}}};

void Add(TableWriter& writer, std::vector<Cell> row) { writer.Add(row); }

TEST(Csv, TextsAreQuotedWhereTheyMustBe_NullIsNothing) {
  const auto writer = MakeCsvWriter(kColumns);
  Add(*writer, {"plain", std::int64_t{-1}, 0.5});
  Add(*writer, {"a,b", {}, {}});
  Add(*writer, {"say \"hi\"\r\n", std::int64_t{0}, 1.0});
  Add(*writer, {"", {}, 1e300});
  Add(*writer, {" spaces ", {}, -0.0});
  Add(*writer, {{}, {}, {}});
  EXPECT_EQ(writer->Take() + writer->Finish(),
            "name,count,value\r\n"
            "plain,-1,0.5\r\n"
            "\"a,b\",,\r\n"
            "\"say \"\"hi\"\"\r\n\",0,1\r\n"
            "\"\",,1e+300\r\n"
            "\" spaces \",,-0\r\n"
            ",,\r\n");
}

TEST(Csv, NumbersThatAreNone) {
  const auto writer = MakeCsvWriter(kColumns);
  writer->Take();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double value : {std::nan(""), infinity, -infinity}) Add(*writer, {"", {}, value});
  EXPECT_EQ(writer->Finish(), "\"\",,NaN\r\n\"\",,Infinity\r\n\"\",,-Infinity\r\n");
}

// --- Arrow: read back by flatbuffers' own reader; pyarrow reads one in export_test.py ------------------

using flatbuffers::Table;

template <typename Number>
Number At(const std::string& bytes, std::size_t offset) {
  Number number{};
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}
constexpr flatbuffers::voffset_t Slot(int index) {
  return static_cast<flatbuffers::voffset_t>(4 + 2 * index);
}
const Table* Root(const std::string& bytes, std::size_t offset) {
  return flatbuffers::GetRoot<Table>(reinterpret_cast<const std::uint8_t*>(bytes.data()) + offset);
}

struct Block {
  std::int64_t offset;
  std::int32_t metadata_length, padding;
  std::int64_t body_length;
};
struct Pair {
  std::int64_t first, second;
};

/// Where the footer's flatbuffer begins.
std::size_t FooterOf(const std::string& file) {
  const auto length = At<std::int32_t>(file, file.size() - 10);
  return file.size() - 10 - static_cast<std::size_t>(length);
}
std::vector<Block> BlocksOf(const std::string& file) {
  std::vector<Block> blocks;
  const auto* list =
      Root(file, FooterOf(file))->GetPointer<const flatbuffers::Vector<const Block*>*>(Slot(3));
  for (flatbuffers::uoffset_t i = 0; i < list->size(); ++i) blocks.push_back(*list->Get(i));
  return blocks;
}

TEST(Arrow, AnEmptyTableHasItsSchema) {
  const auto writer = MakeArrowWriter(kColumns);
  const std::string file = writer->Take() + writer->Finish();
  EXPECT_TRUE(file.starts_with(std::string_view("ARROW1\0\0", 8)));
  EXPECT_TRUE(file.ends_with("ARROW1"));
  EXPECT_TRUE(BlocksOf(file).empty());
  const Table* footer = Root(file, FooterOf(file));
  EXPECT_EQ(footer->GetField<std::int16_t>(Slot(0), 0), 4);
  const auto* schema = footer->GetPointer<const Table*>(Slot(1));
  const auto* fields =
      schema->GetPointer<const flatbuffers::Vector<flatbuffers::Offset<Table>>*>(Slot(1));
  ASSERT_EQ(fields->size(), 3u);
  const std::array<std::pair<const char*, int>, 3> expected = {
      {{"name", 5}, {"count", 2}, {"value", 3}}};
  for (flatbuffers::uoffset_t i = 0; i < 3; ++i) {
    const Table* field = fields->Get(i);
    EXPECT_EQ(field->GetPointer<const flatbuffers::String*>(Slot(0))->str(), expected.at(i).first);
    EXPECT_EQ(field->GetField<std::uint8_t>(Slot(1), 0), 1);
    EXPECT_EQ(field->GetField<std::uint8_t>(Slot(2), 0), expected.at(i).second);
  }
}

TEST(Arrow, EachTakeIsABatch_BlocksAndBuffersLieWhereTheFooterSays) {
  const auto writer = MakeArrowWriter(kColumns);
  Add(*writer, {"one", std::int64_t{1}, 0.25});
  Add(*writer, {{}, std::int64_t{2}, {}});
  EXPECT_GT(writer->pending(), 0u);
  std::string file = writer->Take();
  Add(*writer, {"three", {}, 3.5});
  file += writer->Take();
  file += writer->Finish();

  const auto blocks = BlocksOf(file);
  ASSERT_EQ(blocks.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    const Block& block = blocks[i];
    const auto offset = static_cast<std::size_t>(block.offset);
    EXPECT_EQ(offset % 8, 0u);
    EXPECT_EQ(block.metadata_length % 8, 0);
    EXPECT_EQ(block.body_length % 8, 0);
    EXPECT_EQ(At<std::uint32_t>(file, offset), 0xFFFFFFFF);
    const Table* message = Root(file, offset + 8);
    EXPECT_EQ(message->GetField<std::uint8_t>(Slot(1), 0), 3);
    EXPECT_EQ(message->GetField<std::int64_t>(Slot(3), 0), block.body_length);
    const auto* batch = message->GetPointer<const Table*>(Slot(2));
    EXPECT_EQ(batch->GetField<std::int64_t>(Slot(0), 0), i == 0 ? 2 : 1);
    EXPECT_EQ(batch->GetPointer<const flatbuffers::Vector<const Pair*>*>(Slot(1))->size(), 3u);
    EXPECT_EQ(batch->GetPointer<const flatbuffers::Vector<const Pair*>*>(Slot(2))->size(), 7u);
  }
  // The first batch, column by column: validity bits, offsets, text; validity, integers; validity, numbers.
  const std::size_t body = static_cast<std::size_t>(blocks[0].offset) +
                           static_cast<std::size_t>(blocks[0].metadata_length);
  const auto* batch =
      Root(file, static_cast<std::size_t>(blocks[0].offset) + 8)->GetPointer<const Table*>(Slot(2));
  const auto* buffers = batch->GetPointer<const flatbuffers::Vector<const Pair*>*>(Slot(2));
  const auto at = [&](flatbuffers::uoffset_t i) {
    return body + static_cast<std::size_t>(buffers->Get(i)->first);
  };
  EXPECT_EQ(file[at(0)], 0b01);
  EXPECT_EQ(At<std::int32_t>(file, at(1) + 4), 3);
  EXPECT_EQ(At<std::int32_t>(file, at(1) + 8), 3);
  EXPECT_EQ(file.substr(at(2), 3), "one");
  EXPECT_EQ(buffers->Get(3)->second, 0);  // no nulls: no bits
  EXPECT_EQ(At<std::int64_t>(file, at(4) + 8), 2);
  EXPECT_EQ(file[at(5)], 0b01);
  EXPECT_EQ(At<double>(file, at(6)), 0.25);
}

}  // namespace
}  // namespace muster::tracker
