#include "cluster/local/file_set.h"

#include <gmock/gmock.h>

#include <string>

namespace muster::cluster::local {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// `content` stands for the file's bytes.
FileEntry File(const std::string& path, char content, std::int64_t bytes = 10) {
  return {.path = path, .bytes = bytes, .sha256 = std::string(64, content)};
}

TEST(FileSetTest, Check_TakesWhatAFolderCanHold) {
  EXPECT_TRUE(CheckFileSet({}).ok());
  EXPECT_TRUE(
      CheckFileSet({File("a", 'a'), File("a.b", 'b'), File("a0/b/..c", 'a'), File("b", 'c')}).ok());
}

TEST(FileSetTest, Check_NamesWhatIsWrong) {
  const std::string nul("a\0b", 3);
  for (const std::string& path :
       {std::string(), std::string("/a"), std::string("a/"), std::string("../a"),
        std::string("a/../b"), std::string("a//b"), std::string("."), std::string("a/."), nul,
        std::string(kFilePathBytesMax + 1, 'a')}) {
    const Status checked = CheckFileSet({File(path, 'a')});
    ASSERT_FALSE(checked.ok()) << path;
    EXPECT_EQ(checked.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(checked.error().message, HasSubstr("within the folder"));
  }
  const struct {
    FileSet files;
    const char* words;
  } kWrong[] = {
      {{File("b", 'a'), File("a", 'a')}, "'a': wanted paths in order"},
      {{File("a", 'a'), File("a", 'b')}, "'a': wanted paths in order, each once"},
      {{File("a", 'a'), File("a/b", 'b')}, "'a' is a file and a folder"},
      {{File("a", 'a'), File("a-", 'a'), File("a/b", 'b')}, "'a' is a file and a folder"},
      {{File("a", 'a', -1)}, "wanted a length"},
      {{File("a", 'G')}, "64 hex digits"},
      {{FileEntry{"a", 1, "abc"}}, "64 hex digits"},
      {FileSet(kFileSetMax + 1, File("a", 'a')), "wanted at most 100000"},
  };
  for (const auto& wrong : kWrong) {
    const Status checked = CheckFileSet(wrong.files);
    ASSERT_FALSE(checked.ok()) << wrong.words;
    EXPECT_THAT(checked.error().message, HasSubstr(wrong.words));
  }
}

TEST(FileSetTest, Plan_FetchesWhatIsNotThere) {
  // A save: a new file, another manifest, the oldest gone.
  const FileSet have{File("manifest", '1', 3), File("step-1", 'a'), File("step-2", 'b')};
  const FileSet want{File("manifest", '2', 4), File("step-2", 'b'), File("step-3", 'c', 20)};
  const Transfer plan = PlanTransfer(have, want);
  EXPECT_THAT(plan.keep, ElementsAre(Transfer::Keep{"step-2", "step-2"}));
  EXPECT_EQ(plan.place, (FileSet{want[0], want[2]}));
  EXPECT_EQ(plan.fetch, plan.place);
  EXPECT_EQ(plan.bytes, 24);
  EXPECT_THAT(PlanTransfer(want, want).fetch, IsEmpty());
  EXPECT_EQ(PlanTransfer({}, want).fetch, want);
}

TEST(FileSetTest, Plan_KnowsFilesByTheirContent) {
  const FileSet have{File("a", 'x'), File("b", 'x')};
  const FileSet want{File("b", 'x'), File("best", 'y'), File("latest", 'y'), File("moved", 'x')};
  const Transfer plan = PlanTransfer(have, want);
  EXPECT_THAT(plan.keep, ElementsAre(Transfer::Keep{"b", "b"}, Transfer::Keep{"moved", "a"}));
  EXPECT_EQ(plan.place, (FileSet{want[1], want[2]}));
  EXPECT_EQ(plan.fetch, FileSet{want[1]}) << "once";
  EXPECT_EQ(plan.bytes, 10);
  // A list that lies about a length gets no bytes of another one.
  EXPECT_EQ(PlanTransfer(have, {File("a", 'x', 11)}).fetch.size(), 1U);
}

}  // namespace
}  // namespace muster::cluster::local
