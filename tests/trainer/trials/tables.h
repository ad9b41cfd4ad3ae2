#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "trainer/hdf5/convert.h"
#include "trainer/hdf5/dataset_file.h"

/// Small tables that the shipped trials learn from in tests: <folder>/<name>-{train,validation,test}.h5. Digits and
/// breast cancer are real and come with scikit-learn's wheel; the text is this project's own; there are no real views of
/// a recommender here, so those are made up.

namespace muster::trainer {

inline Status WriteDigitImages(const std::filesystem::path& csv,
                               const std::filesystem::path& folder) {
  return hdf5::ConvertCsv({.csv = csv, .out_dir = folder, .name = "resnet", .row_shape = {1, 8, 8}})
                 .ok()
             ? Ok()
             : Internal("no digits");
}

/// 569 tumours, 30 measurements each; 1 is benign.
inline Status WriteBreastCancer(const std::filesystem::path& csv,
                                const std::filesystem::path& folder) {
  const auto files = hdf5::ConvertCsv({.csv = csv,
                                       .out_dir = folder,
                                       .name = "tabular",
                                       .inputs_name = "features",
                                       .header = true});
  return files.ok() ? Ok() : files.error();
}

template <typename T>
hdf5::Column ColumnOf(std::string name, ElementType type, std::vector<std::int64_t> row_shape,
                      const std::vector<T>& values) {
  hdf5::Column column{{std::move(name), type, std::move(row_shape)}, {}};
  column.bytes.resize(values.size() * sizeof(T));
  std::memcpy(column.bytes.data(), values.data(), column.bytes.size());
  return column;
}

/// The READMEs of `source`, cut into rows of `length` bytes; every tenth row is for validation, every other tenth for test.
inline Status WriteText(const std::filesystem::path& source, std::int64_t length,
                        const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files = {source / "README.md"};
  for (const auto& entry : std::filesystem::directory_iterator(source)) {
    if (exists(entry.path() / "README.md")) files.push_back(entry.path() / "README.md");
  }
  std::ranges::sort(files);
  std::string text;
  for (const auto& file : files) {
    MUSTER_ASSIGN_OR_RETURN(const std::string part, ReadWholeFile(file));
    text += part;
  }
  const char* const roles[] = {"train", "validation", "test"};
  std::array<std::vector<char>, 3> bytes;
  const auto step = static_cast<std::size_t>(length);
  for (std::size_t row = 0; (row + 1) * step <= text.size(); ++row) {
    std::vector<char>& to = bytes[row % 10 < 8 ? 0 : row % 10 - 7];
    to.insert(to.end(), text.begin() + static_cast<std::ptrdiff_t>(row * step),
              text.begin() + static_cast<std::ptrdiff_t>((row + 1) * step));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    MUSTER_RETURN_IF_ERROR(hdf5::WriteDatasetFile(
        folder / ("gpt-" + std::string(roles[i]) + ".h5"), bytes[i].size() / step,
        {ColumnOf("tokens", ElementType::kU8, {length}, bytes[i])}));
  }
  return Ok();
}

/// Users of one taste of 8, who take what is to their taste 9 times of 10; items 1 to 200 of one taste each, which is
/// also one of their genres. Histories of 3 to 10 items, filled up with 0.
inline Status WriteViews(const std::filesystem::path& folder) {
  constexpr int kItems = 200, kTastes = 8, kLength = 10;
  Random random(5);
  const auto below = [&](int n) {
    return static_cast<int>(random.Below(static_cast<std::uint64_t>(n)));
  };
  std::array<std::vector<int>, kTastes> of_taste;
  std::vector<int> taste_of(kItems + 1);
  for (int item = 1; item <= kItems; ++item) {
    taste_of[static_cast<std::size_t>(item)] = below(kTastes);
    of_taste[static_cast<std::size_t>(taste_of[static_cast<std::size_t>(item)])].push_back(item);
  }
  for (const auto& [role, rows] : {std::pair{"train", 1400}, {"validation", 256}, {"test", 256}}) {
    std::vector<std::int32_t> history, items, genres;
    for (int row = 0; row < rows; ++row) {
      const std::vector<int>& liked = of_taste[static_cast<std::size_t>(below(kTastes))];
      const auto pick = [&] {
        return below(10) < 9
                   ? liked[static_cast<std::size_t>(below(static_cast<int>(liked.size())))]
                   : 1 + below(kItems);
      };
      const int length = 3 + below(kLength - 2);
      for (int i = 0; i < kLength; ++i) history.push_back(i < length ? pick() : 0);
      items.push_back(pick());
      genres.push_back(1 + taste_of[static_cast<std::size_t>(items.back())]);
      genres.push_back(below(2) == 0 ? 0 : 9 + below(4));
    }
    MUSTER_RETURN_IF_ERROR(hdf5::WriteDatasetFile(
        folder / ("two_tower-" + std::string(role) + ".h5"), static_cast<std::uint64_t>(rows),
        {ColumnOf("history", ElementType::kI32, {kLength}, history),
         ColumnOf("item", ElementType::kI32, {}, items),
         ColumnOf("genres", ElementType::kI32, {2}, genres)}));
  }
  return Ok();
}

}  // namespace muster::trainer
