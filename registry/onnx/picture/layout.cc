#include "registry/onnx/picture/layout.h"

#include <algorithm>
#include <numeric>

#include "runtime/base/check.h"

// 1. Layers: a box lies one below the lowest box that points to it; a box that nothing points to one above its highest
//    user. 2. An arrow that passes layers gets an item in each, so that all links join neighbouring layers.
// 3. Sweeps down and up order each layer by the mean position of the neighbours above or below.
// 4. Sweeps set x: each item wants the mean x of its neighbours, and the order's distances are kept (isotonic
//    regression by pooling adjacent violators). 5. y by the highest box of each layer; arrows end in ports.

namespace muster::onnx {
namespace {

constexpr double kGapX = 28, kGapY = 44, kMargin = 24, kLineWidth = 10;
constexpr int kOrderSweeps = 12, kPlaceSweeps = 12;

struct Item {
  double width = kLineWidth;
  double height = 0;
  double weight = 1;  ///< how much it wants where it wants to be: long lines are to be straight
  double x = 0;
  std::size_t place = 0;  ///< in its layer
  std::vector<std::size_t> above, below;
};

class Arranger {
 public:
  Arranger(const std::vector<Extent>& boxes, const std::vector<Arrow>& arrows)
      : boxes_(boxes), arrows_(arrows) {}

  Result<Layout> Run() {
    AssignLayers();
    MUSTER_RETURN_IF_ERROR(MakeItems());
    Order();
    Place();
    return Finished();
  }

 private:
  void AssignLayers() {
    layer_of_.assign(boxes_.size(), 0);
    std::vector<std::size_t> highest_user(boxes_.size(), SIZE_MAX);
    std::vector<bool> has_source(boxes_.size());
    for (std::size_t box = 0, next = 0; box < boxes_.size(); ++box) {
      for (; next < by_source().size() && arrows_[by_source()[next]].from == box; ++next) {
        const Arrow& arrow = arrows_[by_source()[next]];
        layer_of_[arrow.to] = std::max(layer_of_[arrow.to], layer_of_[box] + 1);
      }
    }
    for (const Arrow& arrow : arrows_) {
      has_source[arrow.to] = true;
      highest_user[arrow.from] = std::min(highest_user[arrow.from], layer_of_[arrow.to]);
    }
    for (std::size_t box = 0; box < boxes_.size(); ++box) {
      if (!has_source[box] && highest_user[box] != SIZE_MAX) layer_of_[box] = highest_user[box] - 1;
    }
  }

  /// The arrows, those of box 0 first.
  const std::vector<std::size_t>& by_source() {
    if (by_source_.size() != arrows_.size()) {
      by_source_.resize(arrows_.size());
      std::iota(by_source_.begin(), by_source_.end(), 0);
      std::ranges::stable_sort(by_source_, {}, [&](std::size_t a) { return arrows_[a].from; });
    }
    return by_source_;
  }

  Status MakeItems() {
    std::size_t count = boxes_.size();
    for (const Arrow& arrow : arrows_) {
      MUSTER_CHECK(arrow.from < arrow.to && arrow.to < boxes_.size(), "arrows point downward");
      count += layer_of_[arrow.to] - layer_of_[arrow.from] - 1;
    }
    if (count > kMaxItems) {
      return Unsupported("the picture would have " + std::to_string(count) + " parts, at most " +
                         std::to_string(kMaxItems) + " are drawn; draw modules instead of nodes");
    }
    for (std::size_t box = 0; box < boxes_.size(); ++box) {
      items_.push_back({.width = boxes_[box].width, .height = boxes_[box].height});
      Append(box, layer_of_[box]);
    }
    chains_.resize(arrows_.size());
    for (std::size_t a = 0; a < arrows_.size(); ++a) {
      std::size_t last = arrows_[a].from;
      for (std::size_t layer = layer_of_[last] + 1; layer < layer_of_[arrows_[a].to]; ++layer) {
        items_.push_back({.weight = 8});
        Append(items_.size() - 1, layer);
        Link(last, items_.size() - 1);
        last = items_.size() - 1;
        chains_[a].push_back(last);
      }
      Link(last, arrows_[a].to);
    }
    return Ok();
  }

  void Append(std::size_t item, std::size_t layer) {
    if (layers_.size() <= layer) layers_.resize(layer + 1);
    items_[item].place = layers_[layer].size();
    layers_[layer].push_back(item);
  }

  void Link(std::size_t above, std::size_t below) {
    items_[above].below.push_back(below);
    items_[below].above.push_back(above);
  }

  void SetPlaces(std::size_t layer) {
    for (std::size_t i = 0; i < layers_[layer].size(); ++i) items_[layers_[layer][i]].place = i;
  }

  void OrderLayer(std::size_t layer, std::vector<std::size_t> Item::* neighbours) {
    std::vector<std::pair<double, std::size_t>> keyed;
    for (const std::size_t item : layers_[layer]) {
      const auto& others = items_[item].*neighbours;
      double sum = 0;
      for (const std::size_t other : others) {
        sum += (static_cast<double>(items_[other].place) + 0.5) /
               static_cast<double>(layers_[layer_of_item(other)].size());
      }
      const double own = (static_cast<double>(items_[item].place) + 0.5) /
                         static_cast<double>(layers_[layer].size());
      keyed.emplace_back(others.empty() ? own : sum / static_cast<double>(others.size()), item);
    }
    std::ranges::stable_sort(keyed, {}, &std::pair<double, std::size_t>::first);
    for (std::size_t i = 0; i < keyed.size(); ++i) layers_[layer][i] = keyed[i].second;
    SetPlaces(layer);
  }

  std::size_t layer_of_item(std::size_t item) {
    if (item_layer_.size() != items_.size()) {
      item_layer_.resize(items_.size());
      for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
        for (const std::size_t i : layers_[layer]) item_layer_[i] = layer;
      }
    }
    return item_layer_[item];
  }

  /// Pairs of links that cross, by counting inversions in a tree of sums.
  [[nodiscard]] std::size_t Crossings() const {
    std::size_t crossings = 0;
    for (std::size_t layer = 0; layer + 1 < layers_.size(); ++layer) {
      std::vector<std::size_t> sums(layers_[layer + 1].size() + 1, 0);
      std::size_t seen = 0;
      for (const std::size_t item : layers_[layer]) {
        for (const std::size_t below : items_[item].below) {
          std::size_t not_right = 0;
          for (std::size_t i = items_[below].place + 1; i > 0; i &= i - 1) not_right += sums[i];
          crossings += seen - not_right;
        }
        for (const std::size_t below : items_[item].below) {
          for (std::size_t i = items_[below].place + 1; i < sums.size(); i += i & (0 - i))
            ++sums[i];
          ++seen;
        }
      }
    }
    return crossings;
  }

  void Order() {
    auto best = layers_;
    std::size_t fewest = Crossings();
    for (int sweep = 0; sweep < kOrderSweeps && fewest > 0; ++sweep) {
      if (sweep % 2 == 0) {
        for (std::size_t layer = 1; layer < layers_.size(); ++layer)
          OrderLayer(layer, &Item::above);
      } else {
        for (std::size_t layer = layers_.size(); layer > 1; --layer)
          OrderLayer(layer - 2, &Item::below);
      }
      const std::size_t crossings = Crossings();
      if (crossings >= fewest) continue;
      fewest = crossings;
      best = layers_;
    }
    layers_ = std::move(best);
    for (std::size_t layer = 0; layer < layers_.size(); ++layer) SetPlaces(layer);
  }

  /// The nearest places to the wanted ones, in order and without overlap.
  void Settle(const std::vector<std::size_t>& layer, const std::vector<double>& wanted) {
    struct Pool {
      double sum, weight;
      std::size_t count;
    };
    std::vector<double> offsets(layer.size(), 0);
    for (std::size_t i = 1; i < layer.size(); ++i) {
      offsets[i] =
          offsets[i - 1] + (items_[layer[i - 1]].width + items_[layer[i]].width) / 2 + kGapX;
    }
    std::vector<Pool> pools;
    for (std::size_t i = 0; i < layer.size(); ++i) {
      const double weight = items_[layer[i]].weight;
      pools.push_back({(wanted[i] - offsets[i]) * weight, weight, 1});
      while (pools.size() > 1) {
        Pool& last = pools.back();
        Pool& before = pools[pools.size() - 2];
        if (before.sum / before.weight <= last.sum / last.weight) break;
        before = {before.sum + last.sum, before.weight + last.weight, before.count + last.count};
        pools.pop_back();
      }
    }
    std::size_t i = 0;
    for (const Pool& pool : pools) {
      for (std::size_t n = 0; n < pool.count; ++n, ++i) {
        items_[layer[i]].x = pool.sum / pool.weight + offsets[i];
      }
    }
  }

  void PlaceLayer(std::size_t layer, bool look_up, bool look_down) {
    std::vector<double> wanted;
    for (const std::size_t item : layers_[layer]) {
      double sum = 0;
      double weight = 0;
      const auto look = [&](const std::vector<std::size_t>& others) {
        for (const std::size_t other : others) {
          sum += items_[other].x * items_[other].weight;
          weight += items_[other].weight;
        }
      };
      if (look_up) look(items_[item].above);
      if (look_down) look(items_[item].below);
      wanted.push_back(weight == 0 ? items_[item].x : sum / weight);
    }
    Settle(layers_[layer], wanted);
  }

  void Place() {
    for (const auto& layer : layers_) Settle(layer, std::vector<double>(layer.size(), 0));
    for (int sweep = 0; sweep < kPlaceSweeps; ++sweep) {
      const bool both = sweep + 2 >= kPlaceSweeps;
      for (std::size_t layer = 1; layer < layers_.size(); ++layer) PlaceLayer(layer, true, both);
      for (std::size_t layer = layers_.size(); layer > 1; --layer)
        PlaceLayer(layer - 2, both, true);
    }
  }

  /// Where along the border of `box` each of its arrows ends: spread by where the arrows come from.
  void Spread(std::size_t box, std::vector<std::pair<double, double*>>& ends) const {
    std::ranges::stable_sort(ends, {}, &std::pair<double, double*>::first);
    const double room = boxes_[box].width * 0.6;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(ends.size()) - 0.5;
      *ends[i].second = items_[box].x + share * room;
    }
  }

  Layout Finished() {
    Layout out;
    double left = 0;
    double right = 0;
    for (const Item& item : items_) {
      left = std::min(left, item.x - item.width / 2);
      right = std::max(right, item.x + item.width / 2);
    }
    for (Item& item : items_) item.x += kMargin - left;
    std::vector<double> middle(items_.size());
    double y = kMargin;
    for (const auto& layer : layers_) {
      double height = 0;
      for (const std::size_t item : layer) height = std::max(height, items_[item].height);
      for (const std::size_t item : layer) middle[item] = y + height / 2;
      y += height + kGapY;
    }
    out.size = {right - left + 2 * kMargin, y - kGapY + kMargin};
    for (std::size_t box = 0; box < boxes_.size(); ++box)
      out.boxes.push_back({items_[box].x, middle[box]});
    std::vector<std::vector<std::pair<double, double*>>> leaving(boxes_.size()),
        entering(boxes_.size());
    out.routes.resize(arrows_.size());
    for (std::size_t a = 0; a < arrows_.size(); ++a) {
      const auto [from, to] = arrows_[a];
      auto& route = out.routes[a];
      route.push_back({0, middle[from] + boxes_[from].height / 2});
      for (const std::size_t item : chains_[a]) route.push_back({items_[item].x, middle[item]});
      route.push_back({0, middle[to] - boxes_[to].height / 2});
      const std::size_t second = chains_[a].empty() ? to : chains_[a].front();
      const std::size_t last = chains_[a].empty() ? from : chains_[a].back();
      leaving[from].emplace_back(items_[second].x, &route.front().x);
      entering[to].emplace_back(items_[last].x, &route.back().x);
    }
    for (std::size_t box = 0; box < boxes_.size(); ++box) {
      Spread(box, leaving[box]);
      Spread(box, entering[box]);
    }
    return out;
  }

  const std::vector<Extent>& boxes_;
  const std::vector<Arrow>& arrows_;
  std::vector<std::size_t> by_source_;
  std::vector<std::size_t> layer_of_;  ///< of each box
  std::vector<Item> items_;            ///< the boxes, then the points that arrows pass
  std::vector<std::size_t> item_layer_;
  std::vector<std::vector<std::size_t>> layers_;  ///< items from left to right
  std::vector<std::vector<std::size_t>> chains_;  ///< of each arrow: the items it passes
};

}  // namespace

Result<Layout> Arrange(const std::vector<Extent>& boxes, const std::vector<Arrow>& arrows) {
  return Arranger(boxes, arrows).Run();
}

}  // namespace muster::onnx
