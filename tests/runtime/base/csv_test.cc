#include "runtime/base/csv.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto records = ParseCsv(text);
  return records.ok() ? "no error" : records.error().message;
}

TEST(Csv, QuotesLineEndsAndEmptyCells_AreReadAsRfc4180SaysThem) {
  const auto records = ParseCsv(
      "\xEF\xBB\xBF"
      "a,b\r\n\"x,\"\"y\"\"\r\nz\",\r\n\n \t1 ,\"\"");
  ASSERT_TRUE(records.ok()) << records.error().message;
  ASSERT_EQ(records->size(), 3U);
  EXPECT_EQ((*records)[0].cells[0].text, "a");
  EXPECT_EQ((*records)[1].line, 2U);
  EXPECT_EQ((*records)[1].cells[0].text, "x,\"y\"\r\nz");
  EXPECT_FALSE((*records)[1].cells[1].quoted);
  EXPECT_EQ((*records)[2].line, 5U);
  EXPECT_EQ((*records)[2].cells[0].text, " \t1 ");
  EXPECT_TRUE((*records)[2].cells[1].quoted);
  EXPECT_TRUE(ParseCsv("")->empty());
}

TEST(Csv, Mistakes_HaveTheirLine) {
  EXPECT_EQ(ErrorOf("a,b\n1\n"), "2: wanted 2 cells, as many as the header has, got 1");
  EXPECT_EQ(ErrorOf("a\n\"x\ny"), "2: a quote that opens here is never closed");
  EXPECT_EQ(ErrorOf("a\n\"x\ny\"z"),
            "3: wanted a comma or the end of the line after the quotes, got 'z'");
  EXPECT_EQ(ErrorOf("a\nx\"y\""),
            "2: a quote inside 'x\"'; put the whole cell into quotes and write \"\"");
  EXPECT_EQ(ErrorOf("a\rb"), "1: a carriage return without a line feed");
}

TEST(Csv, WhatIsWritten_IsReadBack) {
  for (const std::string text : {"", "x", " x", "a,b", "a\"b", "a\r\nb", "\""}) {
    std::string csv;
    AppendCsv(csv, text);
    const auto records = ParseCsv(csv);
    ASSERT_TRUE(records.ok()) << csv;
    EXPECT_EQ((*records)[0].cells[0].text, text);
  }
}

TEST(CsvRecordEnd, PiecesOfAText_EndWhereTheRecordDoes) {
  const std::string text = "a,b\nc,\"d\n\"\"e\"\r\nf\"g\nlast";
  EXPECT_EQ(CsvRecordEnd(text, 0), 4U);
  EXPECT_EQ(CsvRecordEnd(text, 4), 15U);   // over the quoted line end
  EXPECT_EQ(CsvRecordEnd(text, 15), 19U);  // a quote inside a cell opens nothing
  EXPECT_EQ(CsvRecordEnd(text, 19), std::string::npos);
  for (std::size_t cut = 4; cut < 15; ++cut) {
    EXPECT_EQ(CsvRecordEnd(std::string_view(text).substr(0, cut), 4), std::string::npos) << cut;
  }
}

TEST(SplitCsvRecord, Cells_AreThoseOfParseCsv) {
  std::vector<std::string_view> cells;
  std::vector<std::string> unquoted;
  for (const std::string record : {"a,,b\r\n", "\"a,\"\"\n\",b", "x\n", ",\n"}) {
    const auto whole = ParseCsv(record);
    ASSERT_TRUE(whole.ok());
    ASSERT_TRUE(SplitCsvRecord(record, cells, unquoted).ok());
    ASSERT_EQ(cells.size(), whole->at(0).cells.size()) << record;
    for (std::size_t i = 0; i < cells.size(); ++i) EXPECT_EQ(cells[i], whole->at(0).cells[i].text);
  }
  const Status wrong = SplitCsvRecord("a\"b,c", cells, unquoted);
  ASSERT_FALSE(wrong.ok());
  EXPECT_TRUE(wrong.error().message.starts_with("a quote inside 'a\"'")) << wrong.error().message;
}

}  // namespace
}  // namespace muster
