#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/testing.h"
#include "platform/clock.h"
#include "platform/memory_files.h"
#include "platform/temporary.h"

namespace tenon::platform {
namespace {

std::string NewFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "tenon-files-XXXXXX").string();
  return mkdtemp(pattern.data()) == nullptr ? "" : pattern;
}

// What both file systems promise.
class FilesTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      files_ = RealFiles();
      folder_ = NewFolder();
      ASSERT_NE(folder_, "");
    } else {
      files_ = std::make_unique<MemoryFiles>();
      folder_ = "/data";
      ASSERT_OK(files_->MakeFolders(folder_));
    }
  }
  void TearDown() override {
    if (GetParam()) std::filesystem::remove_all(folder_);
  }
  std::string At(std::string_view name) const { return JoinPath(folder_, name); }

  std::unique_ptr<Files> files_;
  std::string folder_;
};

TEST_P(FilesTest, WritesWholeFilesAndReadsThemBack) {
  const std::string bytes("a\0b\n", 4);
  ASSERT_OK(files_->Write(At("x"), bytes));
  ASSERT_OK_AND_ASSIGN(const std::string read, files_->Read(At("x")));
  EXPECT_EQ(read, bytes);
  ASSERT_OK_AND_ASSIGN(const auto mapped, files_->Map(At("x")));
  ASSERT_OK(files_->Write(At("x"), "second"));
  EXPECT_EQ(mapped->view(), bytes) << "a mapped file changed under its reader";
  ASSERT_OK_AND_ASSIGN(const FileInfo info, files_->Info(At("x")));
  EXPECT_EQ(info.bytes, 6u);
  EXPECT_FALSE(info.folder);
  ASSERT_OK(files_->Write(At("empty"), ""));
  ASSERT_OK_AND_ASSIGN(const auto empty, files_->Map(At("empty")));
  EXPECT_EQ(empty->view(), "");
  ASSERT_OK_AND_ASSIGN(const auto names, files_->List(folder_));
  EXPECT_EQ(names, (std::vector<std::string>{"empty", "x"})) << "a temporary file was left";
}

TEST_P(FilesTest, SaysWhatWentWrong) {
  ASSERT_OK(files_->MakeFolders(At("folder/below")));
  ASSERT_OK(files_->MakeFolders(At("folder/below")));
  ASSERT_OK(files_->Write(At("file"), "x"));
  ASSERT_CODE(kNotFound, files_->Read(At("none")));
  ASSERT_CODE(kNotFound, files_->Map(At("none")));
  ASSERT_CODE(kNotFound, files_->Info(At("none")));
  ASSERT_CODE(kNotFound, files_->List(At("none")));
  ASSERT_CODE(kNotFound, files_->Write(At("none/x"), "x"));
  ASSERT_CODE(kInvalidArgument, files_->Read(At("folder")));
  ASSERT_CODE(kInvalidArgument, files_->Write(At("folder"), "x"));
  ASSERT_CODE(kInvalidArgument, files_->MakeFolders(At("file/below")));
  EXPECT_NE(files_->Read(At("none")).error().message().find(At("none")), std::string_view::npos);
}

TEST_P(FilesTest, AppendsRenamesAndRemoves) {
  {
    ASSERT_OK_AND_ASSIGN(const auto log, files_->Append(At("log")));
    ASSERT_OK(log->Append("one\n"));
    ASSERT_OK(log->Sync());
  }
  ASSERT_OK_AND_ASSIGN(const auto log, files_->Append(At("log")));
  ASSERT_OK(log->Append("two\n"));
  ASSERT_OK(files_->Write(At("other"), "x"));
  ASSERT_OK(files_->Rename(At("log"), At("other")));
  EXPECT_FALSE(files_->Exists(At("log")));
  ASSERT_OK_AND_ASSIGN(const std::string text, files_->Read(At("other")));
  EXPECT_EQ(text, "one\ntwo\n");
  ASSERT_OK(files_->Remove(At("other")));
  ASSERT_OK(files_->Remove(At("other")));
  EXPECT_FALSE(files_->Exists(At("other")));
}

TEST_P(FilesTest, LocksOutASecondHolder) {
  {
    ASSERT_OK_AND_ASSIGN(const auto held, files_->Lock(At("lock")));
    ASSERT_CODE(kUnavailable, files_->Lock(At("lock")));
    if (GetParam()) {
      const auto second = files_->Lock(At("lock"));
      EXPECT_NE(second.error().message().find("by process " + std::to_string(getpid())), std::string_view::npos)
          << second.error().message();
    }
  }
  ASSERT_OK(files_->Lock(At("lock")));
}

// The kernel frees a killed process' memory before its locks: who takes the lock at once, as a supervisor that starts it anew does, gets it.
TEST_P(FilesTest, WaitsForAHolderThatWasKilled) {
  if (!GetParam()) GTEST_SKIP() << "of the disk alone";
  for (int round = 0; round < 5; ++round) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      const auto lock = files_->Lock(At("lock"));
      std::vector<char> much(std::size_t{200} << 20);
      for (std::size_t i = 0; i < much.size(); i += 4096) much[i] = 1;
      if (write(ready[1], lock.ok() ? "y" : "n", 1) == 1) pause();
      _exit(0);
    }
    char answer = 0;
    ASSERT_EQ(read(ready[0], &answer, 1), 1);
    ASSERT_EQ(answer, 'y');
    ASSERT_CODE(kUnavailable, files_->Lock(At("lock")));  // it lives
    kill(child, SIGKILL);
    ASSERT_OK(files_->Lock(At("lock")));
    waitpid(child, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
  }
}

TEST_P(FilesTest, ClearsWhatADeadWriterLeft) {
  const std::string part = TemporaryPath(At("model.bin"));
  EXPECT_TRUE(IsTemporaryName(NameOf(part))) << part;
  EXPECT_FALSE(IsTemporaryName("model.bin"));
  EXPECT_NE(TemporaryPath(At("model.bin")), part);
  { ASSERT_OK_AND_ASSIGN(const auto left, files_->Append(part)); ASSERT_OK(left->Append("half")); }
  ASSERT_OK(files_->Write(At("keep"), "x"));
  ASSERT_OK_AND_ASSIGN(const int cleared, ClearTemporaries(*files_, folder_));
  EXPECT_EQ(cleared, 1);
  EXPECT_TRUE(files_->Exists(At("keep")));
  ASSERT_OK_AND_ASSIGN(const int none, ClearTemporaries(*files_, At("no such folder")));
  EXPECT_EQ(none, 0);
}

INSTANTIATE_TEST_SUITE_P(Both, FilesTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& info) { return info.param ? "Real" : "Memory"; });

TEST(RealFilesTest, AFullDeviceIsNamedAndNotReplaced) {
  const auto files = RealFiles();
  const auto full = files->Write("/dev/full", "x");
  ASSERT_CODE(kResourceExhausted, full);
  EXPECT_NE(full.error().message().find("/dev/full"), std::string_view::npos) << full.error().message();
  ASSERT_OK_AND_ASSIGN(const auto appender, files->Append("/dev/full"));
  ASSERT_CODE(kResourceExhausted, appender->Append("x"));
  struct stat info;
  ASSERT_EQ(stat("/dev/full", &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode));
}

TEST(RealFilesTest, AFullDiskLeavesTheOldFileWhole) {
  const std::string folder = NewFolder();
  if (mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") != 0) {
    std::filesystem::remove_all(folder);
    GTEST_SKIP() << "mounting a small disk takes root";
  }
  const auto files = RealFiles();
  const std::string path = JoinPath(folder, "x");
  const auto first = files->Write(path, "old");
  const auto second = files->Write(path, std::string(1 << 20, 'n'));
  const auto names = files->List(folder);
  const auto read = files->Read(path);
  umount2(folder.c_str(), MNT_DETACH);
  std::filesystem::remove_all(folder);
  ASSERT_OK(first);
  ASSERT_CODE(kResourceExhausted, second);
  EXPECT_NE(second.error().ForPeople().find(path), std::string::npos) << second.error().ForPeople();
  ASSERT_OK(names);
  EXPECT_EQ(*names, std::vector<std::string>{"x"});
  ASSERT_OK(read);
  EXPECT_EQ(*read, "old");
}

TEST(RealFilesTest, KeepsThePermissionsOfAFileItReplaces) {
  const std::string folder = NewFolder();
  const auto files = RealFiles();
  const std::string path = JoinPath(folder, "secret");
  ASSERT_OK(files->Write(path, "a"));
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  ASSERT_OK(files->Write(path, "b"));
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  std::filesystem::remove_all(folder);
}

TEST(PathTest, JoinsAndCuts) {
  EXPECT_EQ(JoinPath("a/b", "c"), "a/b/c");
  EXPECT_EQ(JoinPath("a/", "c"), "a/c");
  EXPECT_EQ(JoinPath("a", "/c"), "/c");
  EXPECT_EQ(JoinPath("", "c"), "c");
  EXPECT_EQ(FolderOf("a/b/c.x"), "a/b");
  EXPECT_EQ(FolderOf("c.x"), ".");
  EXPECT_EQ(FolderOf("/c.x"), "/");
  EXPECT_EQ(NameOf("a/b/c.x"), "c.x");
  EXPECT_EQ(NameOf("c.x"), "c.x");
}

TEST(GlobTest, FindsPathsByPattern) {
  const std::string folder = NewFolder();
  for (const char* path : {"a.csv", "b.csv", "c.txt", ".hidden.csv", "d/e.csv", "d/f/g.csv", "d/f/h.txt"}) {
    const std::filesystem::path full = std::filesystem::path(folder) / path;
    std::filesystem::create_directories(full.parent_path());
    const auto files = RealFiles();
    ASSERT_OK(files->Write(full.string(), "x"));
  }
  std::filesystem::create_directory_symlink("..", folder + "/d/up");  // a loop
  const auto glob = [&](const std::string& pattern) {
    std::vector<std::string> found = Glob(JoinPath(folder, pattern));
    for (std::string& path : found) path.erase(0, folder.size() + 1);
    return found;
  };
  using Paths = std::vector<std::string>;
  EXPECT_EQ(glob("*.csv"), (Paths{"a.csv", "b.csv"}));
  EXPECT_EQ(glob("[b-z].*"), (Paths{"b.csv", "c.txt"}));
  EXPECT_EQ(glob("?/e.csv"), (Paths{"d/e.csv"}));
  EXPECT_EQ(glob("**/*.csv"), (Paths{"a.csv", "b.csv", "d/e.csv", "d/f/g.csv"}));
  EXPECT_EQ(glob("d/**"), (Paths{"d/e.csv", "d/f", "d/f/g.csv", "d/f/h.txt", "d/up"}));
  EXPECT_EQ(glob("**/**/g.csv"), (Paths{"d/f/g.csv"}));
  EXPECT_EQ(glob("*.parquet"), Paths{});
  EXPECT_EQ(glob("not there"), Paths{"not there"});
  std::filesystem::remove_all(folder);
}

// Whatever step fails or is cut, a file that was there is the old or the new one, whole.
TEST(MemoryFilesTest, WriteIsWholeOrNotAtEveryStep) {
  for (const bool cut : {false, true}) {
    bool failed = true;
    int steps = 0;
    for (; failed; ++steps) {
      MemoryFiles files;
      ASSERT_OK(files.MakeFolders("/d"));
      ASSERT_OK(files.Write("/d/x", "old"));
      cut ? files.CutAfter(steps) : files.FailAfter(steps, Code::kResourceExhausted);
      const auto written = files.Write("/d/x", "the new one");
      failed = !written.ok();
      if (failed && !cut) ASSERT_CODE(kResourceExhausted, written);
      cut ? files.DropUnsynced() : files.Heal();
      ASSERT_OK_AND_ASSIGN(const std::string read, files.Read("/d/x"));
      if (!failed) {
        EXPECT_EQ(read, "the new one");
      } else {
        EXPECT_TRUE(read == "old" || (steps == 4 && read == "the new one")) << steps << read;
      }
      if (!cut) EXPECT_EQ(files.AllFiles(), std::vector<std::string>{"/d/x"}) << "step " << steps;
    }
    EXPECT_EQ(steps, 6) << "five steps can fail";
  }
}

TEST(MemoryFilesTest, APowerCutTakesWhatWasNotSynced) {
  MemoryFiles files;
  ASSERT_OK(files.MakeFolders("/d"));
  ASSERT_OK_AND_ASSIGN(const auto log, files.Append("/d/log"));
  ASSERT_OK(log->Append("kept "));
  ASSERT_OK(log->Sync());
  ASSERT_OK(log->Append("lost"));
  ASSERT_OK_AND_ASSIGN(const auto other, files.Append("/d/never synced"));
  ASSERT_OK(other->Append("x"));
  ASSERT_OK_AND_ASSIGN(const auto lock, files.Lock("/d/lock"));
  files.DropUnsynced();
  EXPECT_EQ(files.AllFiles(), std::vector<std::string>{"/d/log"});
  ASSERT_OK_AND_ASSIGN(const std::string text, files.Read("/d/log"));
  EXPECT_EQ(text, "kept ");
  ASSERT_OK(files.Lock("/d/lock"));
}

TEST(ClockTest, FakeTimeMovesWhenTold) {
  FakeClock clock(5);
  const auto before = clock.Steady();
  clock.Advance(std::chrono::seconds(2));
  EXPECT_EQ(clock.Now(), 2'000'005);
  EXPECT_EQ(clock.Steady() - before, std::chrono::seconds(2));
  EXPECT_GT(RealClock().Now(), 1'600'000'000'000'000);
}

}  // namespace
}  // namespace tenon::platform
