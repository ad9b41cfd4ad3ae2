#include "trainer/hdf5/array_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>

#include "trainer/hdf5/convert.h"
#include "trainer/hdf5/dataset_file.h"
#include "trainer/hdf5/npy_header.h"

namespace muster::trainer::hdf5 {
namespace {

namespace fs = std::filesystem;

template <typename T>
std::string Raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// As NumPy writes it: the header padded with blanks so that the data begins at a multiple of 64.
std::string Npy(const std::string& dict, const std::string& data, int version = 1) {
  const std::size_t before = version == 1 ? 10 : 12;
  std::string header = dict;
  while ((before + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string file = std::string("\x93NUMPY") + static_cast<char>(version) + '\0';
  for (std::size_t i = 0; i < before - 8; ++i) {
    file += static_cast<char>(header.size() >> (8 * i));
  }
  return file + header + data;
}

std::string Dict(const std::string& type, const std::string& shape) {
  return "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

class ArrayFilesTest : public testing::Test {
 protected:
  ArrayFilesTest()
      : folder_(fs::temp_directory_path() / ("muster-arrays-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~ArrayFilesTest() override { fs::remove_all(folder_); }
  std::string Save(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return (folder_ / name).string();
  }
  Result<std::unique_ptr<RowSource>> Open(const std::vector<std::string>& texts) {
    notes_.clear();
    std::vector<ArrayColumn> columns;
    for (const std::string& text : texts) {
      MUSTER_ASSIGN_OR_RETURN(ArrayColumn column, ParseArrayColumn(text));
      columns.push_back(std::move(column));
    }
    return OpenArrays(columns, notes_);
  }
  std::string Refusal(const std::vector<std::string>& texts) {
    const auto rows = Open(texts);
    return rows.ok() ? "accepted" : rows.error().message;
  }
  /// All numbers of the first column; its type is named too.
  template <typename T>
  std::vector<T> Numbers(const std::string& text, const std::string& field) {
    const auto rows = Open({text});
    EXPECT_TRUE(rows.ok()) << rows.error().message;
    if (!rows.ok()) return {};
    EXPECT_EQ((*rows)->fields()[0].Text(), field);
    std::vector<std::uint64_t> all((*rows)->rows());
    std::iota(all.begin(), all.end(), 0);
    std::vector<T> values(all.size() * (*rows)->fields()[0].row_elements());
    EXPECT_TRUE((*rows)->Read(0, all, reinterpret_cast<std::byte*>(values.data())).ok());
    return values;
  }
  fs::path folder_;
  std::vector<std::string> notes_;
};

TEST_F(ArrayFilesTest, Npy_EveryType) {
  const auto type = [&](const std::string& code, const std::string& data) {
    return "x=" + Save("x.npy", Npy(Dict(code, "(2,)"), data));
  };
  EXPECT_EQ(Numbers<std::uint8_t>(type("|u1", "\x07\xff"), "x u8 ()"),
            (std::vector<std::uint8_t>{7, 255}));
  EXPECT_EQ(Numbers<std::uint8_t>(type("|b1", std::string("\1\0", 2)), "x u8 ()"),
            (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(Numbers<std::int32_t>(type("|i1", "\x07\xff"), "x i32 ()"),
            (std::vector<std::int32_t>{7, -1}));
  EXPECT_EQ(Numbers<std::int32_t>(type("<i2", Raw<std::int16_t>({-300, 9})), "x i32 ()"),
            (std::vector<std::int32_t>{-300, 9}));
  EXPECT_EQ(Numbers<std::int32_t>(type("<u2", Raw<std::uint16_t>({65535, 9})), "x i32 ()"),
            (std::vector<std::int32_t>{65535, 9}));
  EXPECT_EQ(Numbers<std::int64_t>(type("<u4", Raw<std::uint32_t>({4294967295U, 9})), "x i64 ()"),
            (std::vector<std::int64_t>{4294967295, 9}));
  EXPECT_EQ(Numbers<std::int32_t>(type("<i4", Raw<std::int32_t>({-5, 6})), "x i32 ()"),
            (std::vector<std::int32_t>{-5, 6}));
  EXPECT_EQ(Numbers<std::int64_t>(type("<i8", Raw<std::int64_t>({-5, 6})), "x i64 ()"),
            (std::vector<std::int64_t>{-5, 6}));
  EXPECT_EQ(Numbers<float>(type("<f4", Raw<float>({1.5F, -2})), "x f32 ()"),
            (std::vector<float>{1.5F, -2}));
  EXPECT_EQ(Numbers<double>(type("<f8", Raw<double>({1.5, -2})), "x f64 ()"),
            (std::vector<double>{1.5, -2}));
}

TEST_F(ArrayFilesTest, Halves_OfIeee754_AreWidened) {
  // 1, -2, 65504 (largest), 2^-24 (least), 2^-14 (least normal), 1/3 as stored, infinities, -0.
  const std::vector<std::uint16_t> halves = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x0400,
                                             0x3555, 0x7C00, 0xFC00, 0x8000};
  const auto wide = Numbers<float>("x=" + Save("h.bin", Raw(halves)) + ":f16", "x f32 ()");
  EXPECT_EQ(wide, (std::vector<float>{1, -2, 65504, 0x1p-24F, 0x1p-14F, 0.333251953125F, INFINITY,
                                      -INFINITY, 0}));
  EXPECT_TRUE(std::signbit(wide[8]));
  EXPECT_TRUE(std::isnan(
      Numbers<float>("x=" + Save("n.bin", Raw<std::uint16_t>({0x7E00})) + ":f16", "x f32 ()")[0]));
}

TEST_F(ArrayFilesTest, Npy_ShapesAndVersions) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  Save("a.npy", Npy(Dict("<f4", "(2, 3)"), Raw(values)));
  EXPECT_EQ(Numbers<float>("x=" + (folder_ / "a.npy").string(), "x f32 (3)"), values);
  Save("a.npy", Npy(Dict("<f4", "(1, 2, 3)"), Raw(values), 2));
  EXPECT_EQ(Numbers<float>("x=" + (folder_ / "a.npy").string(), "x f32 (2,3)"), values);
  Save("b.npy", Npy(Dict("<f4", "(1, 2, 3)"), Raw(values), 3));
  const auto both = Numbers<float>("x=" + (folder_ / "?.npy").string(), "x f32 (2,3)");
  EXPECT_EQ(both.size(), 12U);
}

TEST_F(ArrayFilesTest, Npy_Wrong_IsNamed) {
  const std::string path = (folder_ / "x.npy").string();
  const auto refusal = [&](const std::string& bytes) {
    Save("x.npy", bytes);
    const std::string said = Refusal({"x=" + path});
    EXPECT_TRUE(said.starts_with(path)) << said;
    return said.substr(std::min(said.size(), path.size()));
  };
  const std::string good = Npy(Dict("<f4", "(2,)"), Raw<float>({1, 2}));
  EXPECT_EQ(refusal(good.substr(0, good.size() - 1)),
            " ends at byte 135; its header wants 8 bytes from byte 128");
  EXPECT_EQ(refusal(good + "x"), " ends at byte 137; its header wants 8 bytes from byte 128");
  EXPECT_EQ(refusal("hello"), " is not a .npy file: it does not begin with NumPy's signature");
  EXPECT_EQ(refusal(""), " is not a .npy file: it does not begin with NumPy's signature");
  EXPECT_EQ(refusal(good.substr(0, 60)), ": at byte 8: a .npy header of 118 bytes does not fit");
  EXPECT_EQ(refusal(Npy(Dict(">f4", "(2,)"), "12345678")),
            " is big-endian ('>f4'); save it as '<f4'");
  EXPECT_EQ(refusal(Npy(Dict("<c8", "(1,)"), "12345678")),
            " is of type '<c8'; wanted u1, i1, i2, u2, i4, u4, i8, f2, f4, f8 or bool");
  EXPECT_EQ(refusal(Npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", "12345678")),
            " is in Fortran order; save numpy.ascontiguousarray(array)");
  EXPECT_EQ(refusal(Npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
                        "12345678")),
            " holds records of several fields; wanted one array of numbers");
  EXPECT_EQ(refusal(Npy(Dict("<f4", "()"), "1234")), " holds a single value, no rows");
  EXPECT_EQ(refusal(Npy(Dict("<f4", "(2,-1)"), "1234")),
            ": at byte 63: the .npy header has no size in its shape");
  EXPECT_EQ(refusal(Npy(Dict("<f4", "(4611686018427387904,16)"), "1234")),
            ": the shape in its header has more than 2^64 bytes");
  EXPECT_EQ(refusal(Npy("{'descr': '<f4'}", "1234")),
            ": at byte 26: the .npy header has no 'descr' and 'shape'");
}

TEST_F(ArrayFilesTest, NpyHeader_DamagedAnywhere_NeverCrashes) {
  const std::string good = Npy(Dict("<f4", "(2, 3)"), std::string(24, 'x'));
  for (std::size_t at = 0; at < good.size() - 24; ++at) {
    for (const char byte : {'\0', '\xff', '(', '\'', '9', static_cast<char>(good[at] ^ 4)}) {
      std::string bad = good;
      bad[at] = byte;
      const auto header = ParseNpyHeader(bad, "f");
      if (header.ok()) {
        EXPECT_FALSE(header->shape.empty());
      }
      EXPECT_FALSE(ParseNpyHeader(bad.substr(0, at), "f").ok());
    }
  }
}

TEST_F(ArrayFilesTest, PlainFiles_AreOneString_CutIntoRows_RestSaid) {
  Save("a.txt", "abcde");
  Save("b.txt", "");
  Save("c.md", "fghijklmno");
  const std::string all =
      "tokens=" + (folder_ / "*.txt").string() + "," + (folder_ / "c.md").string() + ":u8:4";
  const auto rows = Numbers<char>(all, "tokens u8 (4)");
  EXPECT_EQ(std::string(rows.begin(), rows.end()), "abcdefghijkl");
  ASSERT_EQ(notes_.size(), 2U);
  EXPECT_EQ(notes_[0], (folder_ / "b.txt").string() + " is empty");
  EXPECT_EQ(notes_[1],
            "column tokens u8 (4): the last 3 bytes are no whole row of 4 and are left out");
  // In any order, rows that lie across two files too.
  const auto source = Open({all});
  ASSERT_TRUE(source.ok());
  std::string out(12, ' ');
  ASSERT_TRUE(
      (*source)
          ->Read(0, std::vector<std::uint64_t>{1, 2, 1}, reinterpret_cast<std::byte*>(out.data()))
          .ok());
  EXPECT_EQ(out, "efghijklefgh");
}

TEST_F(ArrayFilesTest, Wrong_NamesTheColumn) {
  const std::string text = Save("t:1.txt", "0123456789");
  EXPECT_EQ(Numbers<char>("x=" + text + ":u8", "x u8 ()").size(), 10U);  // a colon in a file's name
  EXPECT_TRUE(
      Refusal({"tokens"}).starts_with("'tokens' names no column; wanted NAME=FILES.npy, or"));
  EXPECT_TRUE(Refusal({"=x.npy"}).starts_with("'=x.npy' names no column"));
  EXPECT_TRUE(Refusal({"x=" + text})
                  .starts_with("column 'x=" + text + "' does not say what " + text + " holds"));
  EXPECT_EQ(Refusal({"x=" + text + ":u8:3,a"}),
            "column 'x=" + text + ":u8:3,a': '3,a' is no shape; wanted like 129 or 1,8,8");
  EXPECT_EQ(Refusal({"x=" + text + ":q8:3"}),
            "column 'x=" + text + ":q8:3': " + text + ":q8:3 does not exist");
  EXPECT_EQ(Refusal({"x=" + text + ":u8:11"}),
            "column x u8 (11): its files hold 10 bytes; a row has 11");
  EXPECT_EQ(Refusal({"x=" + text + ":u8", "x=" + text + ":u8"}), "column 'x' is there twice");
  EXPECT_EQ(Refusal({"x=" + text + ":u8", "y=" + text + ":u8:3"}),
            "column y u8 (3) has 3 rows (" + text + "); x u8 () has 10 (" + text + ")");
  Save("a.npy", Npy(Dict("<f4", "(1, 2)"), Raw<float>({1, 2})));
  Save("b.npy", Npy(Dict("<f8", "(1, 2)"), Raw<double>({1, 2})));
  EXPECT_EQ(Refusal({"x=" + (folder_ / "?.npy").string()}),
            (folder_ / "b.npy").string() + " holds x f64 (2) ('<f8'); wanted x f32 (2) as in " +
                (folder_ / "a.npy").string());
}

class ConvertArraysTest : public ArrayFilesTest {
 protected:
  /// 100 rows of x = (row, row) and labels = row % 4.
  ConvertArraysTest() {
    std::vector<std::int32_t> x;
    std::vector<std::uint8_t> labels;
    for (std::int32_t row = 0; row < 100; ++row) {
      x.insert(x.end(), {row, row});
      labels.push_back(static_cast<std::uint8_t>(row % 4));
    }
    options_.columns = {"x=" + Save("x.bin", Raw(x)) + ":i32:2",
                        "labels=" + Save("l.npy", Npy(Dict("|u1", "(100,)"), Raw(labels)))};
    options_.out = folder_ / "out" / "t.h5";
  }
  std::vector<std::int32_t> Rows(const std::string& files) {
    const auto source = OpenDataset(files);
    EXPECT_TRUE(source.ok()) << source.error().message;
    std::vector<std::uint64_t> all((*source)->rows());
    std::iota(all.begin(), all.end(), 0);
    std::vector<std::int32_t> x(all.size() * 2);
    std::vector<std::uint8_t> labels(all.size());
    EXPECT_TRUE((*source)
                    ->Read(*FindField(**source, "x"), all, reinterpret_cast<std::byte*>(x.data()))
                    .ok());
    EXPECT_TRUE(
        (*source)
            ->Read(*FindField(**source, "labels"), all, reinterpret_cast<std::byte*>(labels.data()))
            .ok());
    std::vector<std::int32_t> rows;
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(x[2 * i], x[2 * i + 1]);
      EXPECT_EQ(labels[i], x[2 * i] % 4);
      rows.push_back(x[2 * i]);
    }
    return rows;
  }
  std::string Out(const std::string& name) { return (folder_ / "out" / name).string(); }
  ArrayOptions options_;
};

TEST_F(ConvertArraysTest, OneFile_AllRowsInOrder) {
  const auto done = ConvertArrays(options_);
  ASSERT_TRUE(done.ok()) << done.error().message;
  ASSERT_EQ(done->files.size(), 1U);
  EXPECT_EQ(done->files[0].path, options_.out);
  std::vector<std::int32_t> wanted(100);
  std::iota(wanted.begin(), wanted.end(), 0);
  EXPECT_EQ(Rows(options_.out.string()), wanted);
}

TEST_F(ConvertArraysTest, Splits_InShards_EveryRowOnce_ClassesInProportion) {
  options_.output = {.splits = {{"train", 0.8}, {"test", 0.2}}, .seed = 3, .shards = 3, .gzip = 4};
  const auto done = ConvertArrays(options_);
  ASSERT_TRUE(done.ok()) << done.error().message;
  ASSERT_EQ(done->files.size(), 6U);
  EXPECT_EQ(done->files[0].path, Out("t-train-0-of-3.h5"));
  const auto train = Rows(Out("t-train-*.h5"));
  const auto test = Rows(Out("t-test-*.h5"));
  EXPECT_EQ(train.size(), 80U);
  EXPECT_TRUE(std::ranges::is_sorted(train));
  std::vector<int> classes(4);
  for (const std::int32_t row : test) ++classes[static_cast<std::size_t>(row % 4)];
  EXPECT_EQ(classes, (std::vector<int>{5, 5, 5, 5}));
  std::vector<std::int32_t> all = train;
  all.insert(all.end(), test.begin(), test.end());
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
  EXPECT_EQ(all.size(), 100U);
  ASSERT_TRUE(ConvertArrays(options_).ok());
  EXPECT_EQ(Rows(Out("t-train-*.h5")), train);  // the same seed, the same rows
  options_.output.seed = 4;
  ASSERT_TRUE(ConvertArrays(options_).ok());
  EXPECT_NE(Rows(Out("t-train-*.h5")), train);
}

TEST_F(ConvertArraysTest, Wrong_IsNamed_AndNothingWritten) {
  const auto refusal = [&] {
    const auto done = ConvertArrays(options_);
    return done.ok() ? std::string("accepted") : done.error().message;
  };
  options_.output.splits = {{"train", 0.99}, {"test", 0.01}};
  options_.output.shards = 2;
  EXPECT_EQ(refusal(), "split 'test' gets 1 of the 100 rows; 2 shards want one each");
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  options_.output.shards = 0;
  EXPECT_EQ(refusal(), "0 shards; wanted 1 to 10000");
  options_.output = {.splits = {{"", 1}}, .gzip = 10};
  EXPECT_EQ(refusal(), "gzip level 10; wanted 1 to 9, or 0 for none");
  options_.output = {.splits = {{"", 1}}, .shards = 3};
  ASSERT_EQ(refusal(), "accepted");
  options_.output.shards = 2;
  EXPECT_EQ(
      refusal(),
      Out("t-0-of-3.h5") +
          " is a shard of an earlier conversion; remove it first, or a pattern would read both");
  options_.out = folder_ / "t.npy";
  EXPECT_EQ(refusal(),
            "'" + options_.out.string() + "' is no name of a file to write; wanted like digits.h5");
}

}  // namespace
}  // namespace muster::trainer::hdf5
