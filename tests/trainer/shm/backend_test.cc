#include "trainer/shm/backend.h"

#include <ATen/Parallel.h>
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "tests/trainer/shm/ranks.h"
#include "tests/trainer/shm/tiny_training.h"
#include "trainer/shm/join.h"
#include "trainer/shm/staged_backend.h"

namespace muster::trainer::shm {
namespace {

using Tensors = std::vector<at::Tensor>;
using Backend = c10::intrusive_ptr<c10d::Backend>;
using testing::HasSubstr;

/// Over host memory as it is, and staged.
class OverBackend : public testing::TestWithParam<bool> {
 protected:
  static std::vector<std::string> Run(int ranks,
                                      const std::function<std::string(const Backend&)>& body) {
    const std::string job = NewJobName();
    return RunRanks(ranks, [&](int rank) -> std::string {
      at::set_num_threads(1);
      auto backend =
          JoinMachine({.job = {.name = job, .rank = {.rank = rank, .world_size = ranks}}});
      EXPECT_TRUE(backend.ok()) << backend.error().message;
      if (!backend.ok()) return "";
      if (!GetParam()) return body(*backend);
      return body(MakeStagedBackend(std::move(backend).value(), {.stage_host_tensors = true}));
    });
  }
};
INSTANTIATE_TEST_SUITE_P(Staged, OverBackend, testing::Bool());

at::Tensor AllReduced(const Backend& backend, at::Tensor tensor, c10d::ReduceOp::RedOpType op) {
  Tensors tensors{std::move(tensor)};
  c10d::AllreduceOptions options;
  options.reduceOp = op;
  backend->allreduce(tensors, options)->wait();
  return tensors[0];
}

TEST_P(OverBackend, AllReduce_EveryTypeAndOperation) {
  Run(3, [](const Backend& backend) {
    const int rank = backend->getRank();
    for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kInt,
                                      at::kLong, at::kShort, at::kChar, at::kByte}) {
      const at::Tensor mine = at::full({3}, rank + 1, type);
      const auto reduced = [&](c10d::ReduceOp::RedOpType op) {
        return AllReduced(backend, mine.clone(), op)[2].item<double>();
      };
      EXPECT_EQ(reduced(c10d::ReduceOp::SUM), 6);
      EXPECT_EQ(reduced(c10d::ReduceOp::MIN), 1);
      EXPECT_EQ(reduced(c10d::ReduceOp::MAX), 3);
      EXPECT_EQ(reduced(c10d::ReduceOp::PRODUCT), 6);
    }
    EXPECT_EQ(
        AllReduced(backend, at::full({9}, rank, at::kFloat), c10d::ReduceOp::AVG)[8].item<double>(),
        1);
    return "";
  });
}

TEST_P(OverBackend, GatherScatterAndBroadcast_InEveryForm) {
  Run(2, [](const Backend& backend) {
    const int rank = backend->getRank();
    Tensors one{at::arange(4) + 10 * rank};
    std::vector<Tensors> lists{{at::zeros({4}, at::kLong), at::zeros({4}, at::kLong)}};
    backend->allgather(lists, one, {})->wait();
    EXPECT_EQ(lists[0][1][3].item<int>(), 13);
    EXPECT_EQ(lists[0][0][3].item<int>(), 3);
    at::Tensor all = at::zeros({8}, at::kLong);
    backend->_allgather_base(all, one[0], {})->wait();
    EXPECT_TRUE(at::equal(all, at::cat({lists[0][0], lists[0][1]})));

    at::Tensor part = at::zeros({2}, at::kLong);
    backend->_reduce_scatter_base(part, one[0], {})->wait();
    EXPECT_TRUE(at::equal(part, at::tensor({10, 12}, at::kLong) + 4 * rank));
    Tensors outs{at::zeros({2}, at::kLong)};
    std::vector<Tensors> ins{{one[0].narrow(0, 0, 2), one[0].narrow(0, 2, 2)}};
    backend->reduce_scatter(outs, ins, {})->wait();
    EXPECT_TRUE(at::equal(part, outs[0]));

    c10d::BroadcastOptions from_last;
    from_last.rootRank = 1;
    Tensors told{at::full({3}, rank == 1, at::kBool)};
    backend->broadcast(told, from_last)->wait();
    EXPECT_TRUE(told[0].all().item<bool>());
    Tensors parameter{at::full({3}, 1.0 + rank).requires_grad_()};
    backend->broadcast(parameter, from_last)->wait();
    EXPECT_EQ(parameter[0][0].item<double>(), 2);
    EXPECT_TRUE(parameter[0].is_leaf());
    Tensors several{at::full({3}, 1.5), at::full({2}, 2, at::kInt)};
    backend->allreduce_coalesced(several, {})->wait();
    EXPECT_EQ(several[0][0].item<double>(), 3);
    EXPECT_EQ(several[1][0].item<int>(), 4);
    backend->barrier({})->wait();
    return "";
  });
}

TEST_P(OverBackend, ManyAtOnce_FinishInOrderAndWithTheirFutures) {
  Run(2, [](const Backend& backend) {
    std::vector<c10::intrusive_ptr<c10d::Work>> works;
    std::vector<Tensors> tensors;
    for (int i = 0; i < 100; ++i) tensors.push_back({at::full({1000}, i, at::kFloat)});
    for (auto& one : tensors) works.push_back(backend->allreduce(one, {}));
    works.back()->wait();
    for (std::size_t i = 0; i < 100; ++i) {
      EXPECT_TRUE(works[i]->isCompleted());
      works[i]->getFuture()->wait();
      EXPECT_EQ(works[i]->getFuture()->value().toTensorVector()[0].data_ptr(),
                tensors[i][0].data_ptr());
      EXPECT_EQ(tensors[i][0][999].item<float>(), 2.0F * static_cast<float>(i));
    }
    return "";
  });
}

TEST_P(OverBackend, DifferentCalls_ThrowTheirWords) {
  const auto words = Run(2, [](const Backend& backend) -> std::string {
    Tensors tensors{at::zeros({backend->getRank() + 5})};
    const auto work = backend->allreduce(tensors, {});
    try {
      work->wait();
      return "no error";
    } catch (const std::exception& error) {
      EXPECT_TRUE(work->getFuture()->hasError());
      EXPECT_ANY_THROW(backend->barrier({})->wait());
      return error.what();
    }
  });
  for (const std::string& said : words) {
    EXPECT_THAT(said, HasSubstr("calls allreduce 1 (sum of 5 float), rank"));
  }
}

TEST_P(OverBackend, WrongTensors_Refused) {
  Run(2, [](const Backend& backend) {
    EXPECT_THROW(AllReduced(backend, at::zeros({2}, at::kComplexFloat), c10d::ReduceOp::SUM),
                 std::exception);
    // The gang goes on; and neither rank has left before both have met.
    EXPECT_EQ(AllReduced(backend, at::ones({1}), c10d::ReduceOp::SUM).item<double>(), 2);
    return "";
  });
  if (GetParam()) return;  // a staged one hears of it later, when the work runs
  Run(1, [](const Backend& backend) {
    EXPECT_THROW(AllReduced(backend, at::zeros({2}), c10d::ReduceOp::BAND), c10::Error);
    EXPECT_THROW(AllReduced(backend, at::zeros({2, 3}).t(), c10d::ReduceOp::SUM), c10::Error);
    EXPECT_THROW(AllReduced(backend, at::zeros({2}, at::kInt), c10d::ReduceOp::AVG), c10::Error);
    at::Tensor small = at::zeros({2}), large = at::zeros({3});
    EXPECT_THROW(backend->_allgather_base(large, small, {}), c10::Error);
    return "";
  });
}

// The order of summation is another: within 1e-5 of weights of about 0.1 to 1.
TEST_P(OverBackend, Training_LikeOneRankAndTheSameOnAll) {
  const auto weights = Run(2, [](const Backend& backend) {
    const auto together = TrainTiny(Gang(backend), at::kCPU);
    const auto again = TrainTiny(Gang(backend), at::kCPU);
    EXPECT_TRUE(SameWeights(together, again));
    const auto alone = TrainTiny(Gang(), at::kCPU);
    std::string bytes;
    for (std::size_t i = 0; i < together.size(); ++i) {
      EXPECT_LT((together[i] - alone[i]).abs().max().item<double>(), 1e-5);
      bytes.append(static_cast<const char*>(together[i].data_ptr()), together[i].nbytes());
    }
    return bytes;
  });
  EXPECT_EQ(weights[0] == weights[1], true);
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof address;
  bind(fd, reinterpret_cast<sockaddr*>(&address), length);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  close(fd);
  return ntohs(address.sin_port);
}

TEST(JoinMachine, MastersAddressAlone_RanksAgreeOnAName) {
  const int port = FreePort();
  RunRanks(2, [&](int rank) {
    const auto backend = JoinMachine({.job = {.rank = {.rank = rank, .world_size = 2},
                                              .master_address = "127.0.0.1",
                                              .master_port = port}});
    EXPECT_TRUE(backend.ok()) << backend.error().message;
    if (backend.ok()) {
      EXPECT_EQ(AllReduced(*backend, at::ones({1}), c10d::ReduceOp::SUM).item<float>(), 2);
    }
    return "";
  });
}

TEST(JoinMachine, NeitherNameNorAddress_Refused) {
  const auto backend = JoinMachine({.job = {.rank = {.rank = 0, .world_size = 2}}});
  ASSERT_FALSE(backend.ok());
  EXPECT_EQ(backend.error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace muster::trainer::shm
