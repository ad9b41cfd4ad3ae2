// Recurrent layers, attention and embedding bags. x and y are [rows, 4, 6].

#include <ATen/TracerMode.h>
#include <torch/torch.h>

#include "tests/trainer/export/operators.h"

namespace muster::testing {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;
using at::Tensor;

/// A layer with the same weights in every call, which a trace sees as constants.
template <typename Layer, typename Options>
Layer Seeded(const Options& options) {
  const at::tracer::impl::NoTracerDispatchMode untraced;
  at::manual_seed(11);
  Layer layer(options);
  layer->eval();
  for (const Tensor& weight : layer->parameters()) weight.set_requires_grad(false);
  return layer;
}

/// The output and the last states of an LSTM, [rows, ...]; states are (layers, rows, units).
Tensor Lstm(const nn::LSTMOptions& options, const Tensor& x, bool initial) {
  nn::LSTM lstm = Seeded<nn::LSTM>(options);
  const Tensor input = options.batch_first() ? x : x.transpose(0, 1);
  const std::int64_t states = options.num_layers() * (options.bidirectional() ? 2 : 1);
  const Tensor start = x.select(1, 0).slice(1, 0, options.hidden_size());
  std::optional<std::tuple<Tensor, Tensor>> given;
  if (initial) {
    const Tensor h = start.unsqueeze(0).repeat({states, 1, 1});
    given.emplace(h, h * 0.5);
  }
  const auto [output, last] = lstm->forward(input, given);
  const Tensor rows_first = options.batch_first() ? output : output.transpose(0, 1);
  return Flat({rows_first, std::get<0>(last).transpose(0, 1), std::get<1>(last).transpose(0, 1)});
}

Tensor Gru(const nn::GRUOptions& options, const Tensor& x, bool initial) {
  nn::GRU gru = Seeded<nn::GRU>(options);
  const std::int64_t states = options.num_layers() * (options.bidirectional() ? 2 : 1);
  Tensor start;
  if (initial)
    start = x.select(1, 0).slice(1, 0, options.hidden_size()).unsqueeze(0).repeat({states, 1, 1});
  const auto [output, last] = gru->forward(options.batch_first() ? x : x.transpose(0, 1), start);
  const Tensor rows_first = options.batch_first() ? output : output.transpose(0, 1);
  return Flat({rows_first, last.transpose(0, 1)});
}

Tensor Rnn(const nn::RNNOptions& options, const Tensor& x) {
  nn::RNN rnn = Seeded<nn::RNN>(options);
  const auto [output, last] = rnn->forward(x);
  return Flat({output, last.transpose(0, 1)});
}

std::vector<OperatorCase> RecurrentCases() {
  return {
      {"lstm",
       [](auto& x, auto&) { return Lstm(nn::LSTMOptions(6, 5).batch_first(true), x, false); }},
      {"lstm_steps_first_initial", [](auto& x, auto&) { return Lstm({6, 5}, x, true); }},
      {"lstm_deep_both_ways",
       [](auto& x, auto&) {
         const auto options =
             nn::LSTMOptions(6, 4).num_layers(3).bidirectional(true).batch_first(true);
         return at::cat({Lstm(options, x, true), Lstm(options, x, false)}, 1);
       }},
      {"lstm_without_biases",
       [](auto& x, auto&) {
         return Lstm(nn::LSTMOptions(6, 3).bias(false).num_layers(2), x, false);
       }},
      {"gru", [](auto& x, auto&) { return Gru(nn::GRUOptions(6, 5).batch_first(true), x, false); }},
      {"gru_deep_both_ways",
       [](auto& x, auto&) {
         const auto options = nn::GRUOptions(6, 4).num_layers(2).bidirectional(true);
         return at::cat({Gru(options, x, true), Gru(options, x, false)}, 1);
       }},
      {"gru_without_biases",
       [](auto& x, auto&) { return Gru(nn::GRUOptions(6, 3).bias(false), x, true); }},
      {"rnn_tanh",
       [](auto& x, auto&) { return Rnn(nn::RNNOptions(6, 5).batch_first(true).num_layers(2), x); }},
      {"rnn_relu_both_ways",
       [](auto& x, auto&) {
         return Rnn(
             nn::RNNOptions(6, 5).batch_first(true).bidirectional(true).nonlinearity(torch::kReLU),
             x);
       }},
      {"cells",
       [](auto& x, auto&) {
         nn::LSTMCell lstm = Seeded<nn::LSTMCell>(nn::LSTMCellOptions(6, 5));
         nn::GRUCell gru = Seeded<nn::GRUCell>(nn::GRUCellOptions(6, 5));
         nn::RNNCell rnn = Seeded<nn::RNNCell>(nn::RNNCellOptions(6, 5));
         const auto [h, c] = lstm->forward(x.select(1, 0));
         const auto [h2, c2] = lstm->forward(x.select(1, 1), std::make_tuple(h, c));
         return at::cat({h2, c2, gru->forward(x.select(1, 2), h), rnn->forward(x.select(1, 3), c)},
                        1);
       }},
  };
}

/// LibTorch's attention layer, which wants the sequence first: its answers and mean weights.
Tensor Attend(const nn::MultiheadAttentionOptions& options, const Tensor& x, const Tensor& y,
              const Tensor& padding, const Tensor& mask) {
  nn::MultiheadAttention attention = Seeded<nn::MultiheadAttention>(options);
  const Tensor queries = x.transpose(0, 1);
  const Tensor keys = y.is_same(x) ? queries : y.transpose(0, 1);
  const auto [output, weights] = attention->forward(queries, keys, keys, padding, true, mask);
  return Flat({output.transpose(0, 1), weights});
}

std::vector<OperatorCase> AttentionCases() {
  return {
      {"attention_masks",
       [](auto& x, auto& y) {
         const Tensor allowed = at::ones({4, 4}, at::kBool).tril();
         return at::scaled_dot_product_attention(x, y, y, allowed) +
                at::scaled_dot_product_attention(x, y, x, at::eye(4), 0, false, 0.3) +
                at::scaled_dot_product_attention(x, x, y, {}, 0, true);
       }},
      {"attention_computed_masks",
       [](auto& x, auto& y) {
         // The first row of each sequence may look at nothing.
         const Tensor allowed = (y.mT().matmul(y) > 0).slice(1, 0, 4).slice(2, 0, 4) &
                                (at::arange(4) > 0).unsqueeze(1);
         const Tensor bias = y.select(2, 0).unsqueeze(1);
         return at::scaled_dot_product_attention(x, y, y, allowed) +
                at::scaled_dot_product_attention(x, y, y, bias);
       }},
      {"attention_causal_oblong",
       [](auto& x, auto& y) {
         return at::scaled_dot_product_attention(x.slice(1, 0, 3), y, y, {}, 0, true) +
                at::scaled_dot_product_attention(x.slice(1, 1), y.slice(1, 0, 3), x.slice(1, 0, 3),
                                                 {}, 0, true, 2.0);
       }},
      {"attention_grouped",
       [](auto& x, auto& y) {
         const auto heads = [](const Tensor& t, std::int64_t count) {
           return t.flatten(1).unflatten(1, {count, 2, -1});
         };
         // Six heads of queries share two of keys and values.
         const Tensor queries = heads(x, 6).slice(3, 0, 2);
         const Tensor keys = heads(y, 2).slice(3, 0, 2);
         return at::scaled_dot_product_attention(queries, keys, keys * 2, {}, 0, false, {}, true) +
                at::scaled_dot_product_attention(queries, keys, keys, {}, 0, true, {}, true);
       }},
      {"multihead_attention",
       [](auto& x, auto& y) {
         const nn::MultiheadAttentionOptions options(6, 2);
         return at::cat({Attend(options, x, x, {}, {}), Attend(options, x, y, {}, {})}, 1);
       }},
      {"multihead_attention_masked",
       [](auto& x, auto& y) {
         const nn::MultiheadAttentionOptions options(6, 3);
         // The first key always takes part.
         const Tensor padding = (y.select(2, 0) > 0) & (at::arange(4) > 0);
         const Tensor causal = at::ones({4, 4}, at::kBool).triu(1);
         return at::cat({Attend(options, x, y, padding, {}), Attend(options, x, x, padding, causal),
                         Attend(options, x, x, {}, causal.to(at::kFloat) * -5)},
                        1);
       }},
      {"multihead_attention_options",
       [](auto& x, auto& y) {
         return at::cat(
             {Attend(nn::MultiheadAttentionOptions(6, 2).bias(false), x, x, {}, {}),
              Attend(nn::MultiheadAttentionOptions(6, 2).add_bias_kv(true), x, y, {}, {}),
              Attend(nn::MultiheadAttentionOptions(6, 2).add_zero_attn(true), x, y, {}, {}),
              Attend(nn::MultiheadAttentionOptions(6, 2).kdim(6).vdim(6), x, y, {}, {})},
             1);
       }},
      {"transformer",
       [](auto& x, auto& y) {
         nn::Transformer transformer = Seeded<nn::Transformer>(nn::TransformerOptions(6, 2)
                                                                   .num_encoder_layers(1)
                                                                   .num_decoder_layers(1)
                                                                   .dim_feedforward(8));
         const Tensor causal = nn::TransformerImpl::generate_square_subsequent_mask(4);
         return transformer->forward(x.transpose(0, 1), y.transpose(0, 1), {}, causal)
             .transpose(0, 1);
       }},
  };
}

Tensor Vectors() { return at::arange(21, at::kFloat).view({7, 3}).sin(); }

std::vector<OperatorCase> EmbeddingCases() {
  return {
      {"embedding",
       [](auto& x, auto&) {
         return at::embedding(at::arange(21, at::kFloat).view({7, 3}), Whole(x).remainder(7));
       }},
      {"embedding_bags",
       [](auto& x, auto&) {
         Tensor ids = Whole(x).flatten(1).remainder(7);
         // The first bag has nothing but what fills it up.
         ids = ids * (at::arange(ids.size(0)) > 0).unsqueeze(1);
         const auto bags = [&](std::int64_t mode, std::optional<std::int64_t> padding) {
           const Tensor starts = at::arange(0, ids.numel(), ids.size(1));
           return std::get<0>(at::embedding_bag(Vectors(), ids.flatten(), starts, false, mode,
                                                false, {}, false, padding));
         };
         return at::cat({bags(0, {}), bags(1, {}), bags(2, {}), bags(0, 0), bags(1, 0), bags(2, 0),
                         bags(1, -1)},
                        1);
       }},
      {"embedding_bag_weighted",
       [](auto& x, auto& y) {
         return F::embedding_bag(
             Whole(x).flatten(1).remainder(7), Vectors(),
             F::EmbeddingBagFuncOptions().mode(torch::kSum).per_sample_weights(y.flatten(1)));
       }},
      {"embedding_bags_of_any_length",
       [](auto& x, auto& y) {
         const Tensor ids = Whole(x).flatten().remainder(7);
         // Bags that begin up to 20 ids late, the first at zero: some are short, some long.
         const Tensor rows = at::arange(x.size(0));
         const Tensor late = (Whole(y).select(1, 0).select(1, 0).remainder(20)) * (rows > 0);
         const Tensor starts = rows * 24 + late;
         const auto bags = [&](std::int64_t mode, std::optional<std::int64_t> padding) {
           return std::get<0>(
               at::embedding_bag(Vectors(), ids, starts, false, mode, false, {}, false, padding));
         };
         const Tensor weighted =
             std::get<0>(at::embedding_bag(Vectors(), ids, starts, false, 0, false, y.flatten()));
         const Tensor ends = at::cat({starts, at::full({1}, x.numel(), at::kLong)});
         const Tensor with_ends =
             std::get<0>(at::embedding_bag(Vectors(), ids, ends, false, 1, false, {}, true));
         return at::cat({bags(0, {}), bags(1, {}), bags(2, {}), bags(0, 2), bags(1, 2), bags(2, 2),
                         weighted, with_ends},
                        1);
       }},
      {"embedding_bags_empty",
       [](auto& x, auto&) {
         // Every second bag is empty.
         const Tensor ids = Whole(x).flatten().remainder(7);
         const Tensor starts = at::arange(2 * x.size(0)).floor_divide(2) * 24;
         const auto bags = [&](std::int64_t mode) {
           return std::get<0>(at::embedding_bag(Vectors(), ids, starts, false, mode));
         };
         return at::cat({bags(0), bags(1), bags(2)}, 1);
       }},
  };
}

}  // namespace

std::vector<OperatorCase> SequenceCases() {
  std::vector<OperatorCase> cases;
  for (const auto& family : {RecurrentCases(), AttentionCases(), EmbeddingCases()})
    cases.insert(cases.end(), family.begin(), family.end());
  return cases;
}

}  // namespace muster::testing
