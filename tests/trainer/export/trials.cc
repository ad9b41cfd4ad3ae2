#include <ATen/ATen.h>

#include "tests/trainer/export/models.h"
#include "trainer/trials/gpt/gpt_net.h"
#include "trainer/trials/resnet/resnet_net.h"
#include "trainer/trials/tabular/tabular_net.h"
#include "trainer/trials/two_tower/two_tower_net.h"

namespace muster::testing {
namespace {

using at::Tensor;
using Tensors = std::vector<Tensor>;

ExportCase Gpt() {
  at::manual_seed(11);
  const auto net = std::make_shared<trials::GptNet>(
      trials::GptShape{.layers = 2, .heads = 4, .width = 32, .context = 16, .vocab = 64});
  return {"trial_gpt", net, [net](const Tensors& in) -> Tensors { return {net->Forward(in[0])}; },
          [](std::int64_t rows) -> Tensors {
            at::manual_seed(1100 + rows);
            return {at::randint(0, 64, {rows, 12}, at::kByte)};
          }};
}

ExportCase ResNet(const std::string& name, bool channels_last, at::ScalarType pixels) {
  at::manual_seed(12);
  const auto net = std::make_shared<trials::ResNet>(trials::ResNetShape{
      .width = 4, .classes = 5, .crop = 2, .flip = true, .channels_last = channels_last});
  {
    // Statistics of a few batches, so that an export that forgets them shows.
    const at::NoGradGuard no_gradients;
    for (int i = 0; i < 3; ++i) net->Forward(at::rand({8, 3, 16, 16}) * 255);
  }
  return {name, net, [net](const Tensors& in) -> Tensors { return {net->Forward(in[0])}; },
          [pixels](std::int64_t rows) -> Tensors {
            at::manual_seed(1200 + rows);
            return {at::randint(0, 256, {rows, 3, 16, 16}).to(pixels)};
          }};
}

ExportCase Tabular() {
  at::manual_seed(13);
  const auto net = std::make_shared<trials::TabularNet>(trials::TabularShape{.features = 7,
                                                                             .categories = 2,
                                                                             .buckets = 11,
                                                                             .category_width = 3,
                                                                             .width = 16,
                                                                             .dropout = 0.2});
  const auto table = [](std::int64_t rows) {
    return at::cat({at::randn({rows, 5}) * 40 + 100, at::randint(0, 100, {rows, 2}).to(at::kFloat)},
                   1);
  };
  net->See(table(100), at::randint(0, 2, {100}, at::kLong));
  return {"trial_tabular", net,
          [net](const Tensors& in) -> Tensors { return {net->Forward(in[0])}; },
          [table](std::int64_t rows) -> Tensors {
            at::manual_seed(1300 + rows);
            return {table(rows)};
          }};
}

/// Both towers in one model: the vectors of users and of items.
ExportCase TwoTower() {
  at::manual_seed(14);
  const auto net = std::make_shared<trials::TwoTowerNet>(
      trials::TwoTowerShape{.items = 50, .genres = 9, .width = 8, .hidden = 16});
  return {
      "trial_two_tower", net,
      [net](const Tensors& in) -> Tensors { return {net->Users(in[0]), net->Items(in[1], in[2])}; },
      [](std::int64_t rows) -> Tensors {
        at::manual_seed(1400 + rows);
        return {at::randint(-1, 51, {rows, 6}, at::kInt), at::randint(1, 51, {rows}, at::kInt),
                at::randint(0, 10, {rows, 3}, at::kLong)};
      }};
}

}  // namespace

std::vector<ExportCase> TrialCases() {
  return {Gpt(), ResNet("trial_resnet", false, at::kFloat),
          ResNet("trial_resnet_bytes", true, at::kByte), Tabular(), TwoTower()};
}

}  // namespace muster::testing
