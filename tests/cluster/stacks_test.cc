#include <gtest/gtest.h>

#include "cluster/local/inspect.h"

namespace muster::cluster::local {
namespace {

TEST(TellingFrame, Gdb_NamesWhatTheMainThreadWaitsFor) {
  EXPECT_EQ(TellingFrame("warning: no file\n"
                         "Thread 2 (Thread 0x7f (LWP 12) \"watchdog\"):\n"
                         "#0  watchdog_loop () at w.cc:1\n"
                         "\n"
                         "Thread 1 (Thread 0x7fe8463e8740 (LWP 11) \"python\"):\n"
                         "#0  __GI___poll (fds=0x1, nfds=1) at poll.c:29\n"
                         "#1  0x00007fe8464bee53 in ?? ()\n"
                         "#2  0x00007f12 in c10d::TCPStore::wait(std::string const&) (this=0x1)\n"
                         "#3  0x00007f13 in main (argc=1)\n"),
            "c10d::TCPStore::wait(std::string const&)");
}

TEST(TellingFrame, EuStack_HasNoArguments) {
  EXPECT_EQ(TellingFrame("PID 5 - process\nTID 5:\n"
                         "#0  0x00007f5c6cff8503 clock_nanosleep\n"
                         "#1  0x00007f5c6cff8504 MPI_Allreduce\n"
                         "TID 6:\n#0  0x1 other\n"),
            "MPI_Allreduce");
}

/// torch.cuda.synchronize() on a kernel that never ends.
TEST(TellingFrame, LoopThatLooksAtTheClock_IsNamedByWhoLoops) {
  EXPECT_EQ(TellingFrame("TID 5:\n"
                         "#0  0x00007ffd0a1f6a2b clock_gettime\n"
                         "#1  0x00007f5c6d1c0b54\n"
                         "#2  0x00007f5c6d1c0b55 cuCtxSynchronize\n"),
            "cuCtxSynchronize");
}

TEST(TellingFrame, NothingButWaits_IsTheFirstOfThem) {
  EXPECT_EQ(TellingFrame("#0  pause () at x.c:1\n#1  0x1 in _start ()\n"), "pause");
  EXPECT_EQ(TellingFrame("#0  __read (fd=0)\n#1  0x1 in _start ()\n"), "__read");
  EXPECT_EQ(TellingFrame("#0  0x1 in ?? ()\n#1  0x2 in __libc_start_call_main (main=0x1)\n"), "");
  EXPECT_EQ(TellingFrame("ptrace: Operation not permitted.\n"), "");
  EXPECT_EQ(TellingFrame("#"), "");
}

TEST(KernelFrames, HaveNoOffsetsAndNoCommonEntry) {
  EXPECT_EQ(KernelFrames("[<0>] do_signal_stop+0x1a/0x2b\n[<0>] get_signal+0xd/0xe\n"
                         "[<0>] do_syscall_64+0x71/0x280\n"
                         "[<0>] entry_SYSCALL_64_after_hwframe+0x76/0x7e\n"),
            "do_signal_stop < get_signal");
  EXPECT_EQ(KernelFrames(""), "");
}

}  // namespace
}  // namespace muster::cluster::local
