#include "runtime/base/file_list.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace muster {
namespace {

namespace fs = std::filesystem;

class FileListTest : public testing::Test {
 protected:
  FileListTest()
      : folder_(fs::temp_directory_path() / ("muster-list-" + std::to_string(getpid()))) {
    fs::create_directories(folder_ / "sub.h5");
    for (const char* name : {"b-1.h5", "b-10.h5", "b-2.h5", "a.h5", "c,1.h5", "x.txt"}) {
      std::ofstream(folder_ / name) << name;
    }
  }
  ~FileListTest() override { fs::remove_all(folder_); }

  /// The names found, without the folder; or the refusal.
  std::string List(const std::string& text, std::string_view suffix = "") {
    const auto files = ListFiles(text, suffix);
    if (!files.ok()) return files.error().message;
    std::string names;
    for (const fs::path& path : *files) names += path.filename().string() + " ";
    return names;
  }
  std::string At(const std::string& name) { return (folder_ / name).string(); }
  fs::path folder_;
};

TEST_F(FileListTest, Parts_StayInTheirOrder_PatternsAndFoldersAreSorted) {
  EXPECT_EQ(List(At("a.h5")), "a.h5 ");
  EXPECT_EQ(List(At("b-2.h5") + "," + At("a.h5")), "b-2.h5 a.h5 ");
  EXPECT_EQ(List(At("b-*.h5") + "," + At("a.h5")), "b-1.h5 b-10.h5 b-2.h5 a.h5 ");
  EXPECT_EQ(List(folder_.string(), ".h5"), "a.h5 b-1.h5 b-10.h5 b-2.h5 c,1.h5 ");
  EXPECT_EQ(List(At("c,1.h5")), "c,1.h5 ");  // a file of that name
}

TEST_F(FileListTest, Wrong_IsNamed) {
  EXPECT_EQ(List(At("none.h5")), At("none.h5") + " does not exist");
  EXPECT_EQ(List(At("z*.h5")), "no file matches " + At("z*.h5"));
  EXPECT_EQ(List(folder_.string()), folder_.string() + " is a folder; wanted a file");
  EXPECT_EQ(List(folder_.string(), ".npy"),
            "folder " + folder_.string() + " holds no file named *.npy");
  EXPECT_EQ(List(At("a.h5") + ","), "a list of files has an empty name in it");
  EXPECT_EQ(List(""), "a list of files has an empty name in it");
  EXPECT_EQ(List(At("a.h5") + "," + At("sub.h5/../a.h5")),
            At("sub.h5/../a.h5") + " is named twice in " + At("a.h5") + "," + At("sub.h5/../a.h5"));
}

}  // namespace
}  // namespace muster
