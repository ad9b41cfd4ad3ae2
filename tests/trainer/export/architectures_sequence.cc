// Nets over sequences of ids or of signals.

#include "tests/trainer/export/module_case.h"

namespace muster::testing {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;
using at::Tensor;

constexpr std::int64_t kWords = 31;

/// (B, T, C) -> (B, heads, T, C / heads).
Tensor Heads(const Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

Tensor Joined(const Tensor& x) {
  return x.transpose(1, 2).contiguous().view({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

// BERT (arXiv 1810.04805): ids, segments and a padding mask of ones and zeros.

struct BertLayerImpl : nn::Module {
  BertLayerImpl(std::int64_t width, std::int64_t heads) : heads(heads) {
    register_module("query", query = nn::Linear(width, width));
    register_module("key", key = nn::Linear(width, width));
    register_module("value", value = nn::Linear(width, width));
    register_module("output", output = nn::Linear(width, width));
    register_module("norm1", norm1 = nn::LayerNorm(nn::LayerNormOptions({width}).eps(1e-12)));
    register_module("up", up = nn::Linear(width, 4 * width));
    register_module("down", down = nn::Linear(4 * width, width));
    register_module("norm2", norm2 = nn::LayerNorm(nn::LayerNormOptions({width}).eps(1e-12)));
  }
  Tensor forward(const Tensor& x, const Tensor& mask) {
    const Tensor q = Heads(query(x), heads);
    Tensor scores = torch::matmul(q, Heads(key(x), heads).transpose(-1, -2));
    scores = scores / std::sqrt(static_cast<double>(q.size(3))) + mask;
    const Tensor weights = torch::dropout(torch::softmax(scores, -1), 0.1, is_training());
    const Tensor y = norm1(x + output(Joined(torch::matmul(weights, Heads(value(x), heads)))));
    return norm2(y + down(torch::gelu(up(y))));
  }
  std::int64_t heads;
  nn::Linear query{nullptr}, key{nullptr}, value{nullptr}, output{nullptr}, up{nullptr},
      down{nullptr};
  nn::LayerNorm norm1{nullptr}, norm2{nullptr};
};
TORCH_MODULE(BertLayer);

struct BertImpl : nn::Module {
  BertImpl() {
    register_module("words", words);
    register_module("places", places);
    register_module("segments", segments);
    register_module("norm", norm);
    register_module("layers", layers);
    for (int i = 0; i < 2; ++i) layers->push_back(BertLayer(24, 3));
    register_module("pooler", pooler);
  }
  std::vector<Tensor> forward(const Tensor& ids, const Tensor& types, const Tensor& attended) {
    const Tensor at = torch::arange(ids.size(1), torch::kLong).unsqueeze(0).expand_as(ids);
    Tensor x = norm(words(ids) + places(at) + segments(types));
    const Tensor mask = (1.0 - attended.unsqueeze(1).unsqueeze(2).to(torch::kFloat)) *
                        std::numeric_limits<float>::lowest();
    for (const auto& layer : *layers) x = layer->as<BertLayer>()->forward(x, mask);
    return {x, torch::tanh(pooler(x.select(1, 0)))};
  }
  nn::Embedding words{nn::EmbeddingOptions(kWords, 24).padding_idx(0)}, places{16, 24},
      segments{2, 24};
  nn::LayerNorm norm{nn::LayerNormOptions({24})};
  nn::ModuleList layers;
  nn::Linear pooler{24, 24};
};
TORCH_MODULE(Bert);

std::vector<Tensor> BertInputs(std::int64_t rows) {
  at::manual_seed(500 + rows);
  const Tensor lengths = at::randint(1, 11, {rows, 1}, at::kLong);
  return {at::randint(0, kWords, {rows, 10}, at::kLong), at::randint(0, 2, {rows, 10}, at::kLong),
          (at::arange(10, at::kLong) < lengths).to(at::kLong)};
}

// GPT-2 as minGPT writes it: a mask in a buffer, the head tied to the embedding.

struct GptImpl : nn::Module {
  GptImpl() {
    register_module("wte", wte);
    register_module("wpe", wpe);
    register_module("ln1", ln1);
    register_module("attend", attend);
    register_module("project", project);
    register_module("ln2", ln2);
    register_module("fc", fc);
    register_module("down", down);
    register_module("ln_f", ln_f);
    bias = register_buffer("bias", torch::tril(torch::ones({16, 16})).view({1, 1, 16, 16}));
  }
  Tensor Attention(const Tensor& x) {
    const auto B = x.size(0), T = x.size(1), C = x.size(2);
    const auto parts = attend(x).chunk(3, -1);
    const auto heads = [&](const Tensor& t) { return Heads(t, 4); };
    Tensor scores = torch::matmul(heads(parts[0]), heads(parts[1]).transpose(-2, -1));
    scores = scores * (1 / std::sqrt(6.0));
    using torch::indexing::Slice;
    const Tensor seen = bias.index({Slice(), Slice(), Slice(0, T), Slice(0, T)});
    scores = scores.masked_fill(seen == 0, -std::numeric_limits<float>::infinity());
    const Tensor mixed = torch::matmul(torch::softmax(scores, -1), heads(parts[2]));
    return project(mixed.transpose(1, 2).contiguous().view({B, T, C}));
  }
  Tensor forward(const Tensor& ids) {
    Tensor x = wte(ids) + wpe(torch::arange(0, ids.size(1)));
    x = x + Attention(ln1(x));
    x = x + down(torch::gelu(fc(ln2(x)), "tanh"));
    return F::linear(ln_f(x), wte->weight);
  }
  nn::Embedding wte{kWords, 24}, wpe{16, 24};
  nn::LayerNorm ln1{nn::LayerNormOptions({24})}, ln2{nn::LayerNormOptions({24})},
      ln_f{nn::LayerNormOptions({24})};
  nn::Linear attend{24, 72}, project{24, 24}, fc{24, 96}, down{96, 24};
  Tensor bias;
};
TORCH_MODULE(Gpt);

// LLaMA (arXiv 2302.13971): rotary places, RMS norms, gated units, two heads of keys for four.

struct LlamaImpl : nn::Module {
  LlamaImpl() {
    register_module("embed", embed);
    register_module("q", q);
    register_module("k", k);
    register_module("v", v);
    register_module("o", o);
    register_module("gate", gate);
    register_module("up", up);
    register_module("down", down);
    register_module("head", head);
    norm1 = register_parameter("norm1", torch::ones({24}));
    norm2 = register_parameter("norm2", torch::ones({24}));
    const Tensor frequency = torch::pow(100.0, -torch::arange(0, 6, 2, torch::kFloat) / 6);
    const Tensor angle = torch::outer(torch::arange(16, torch::kFloat), frequency);
    cosines = register_buffer("cosines", torch::cat({angle, angle}, -1).cos());
    sines = register_buffer("sines", torch::cat({angle, angle}, -1).sin());
  }
  static Tensor Normed(const Tensor& x, const Tensor& weight) {
    return x * torch::rsqrt(x.pow(2).mean(-1, true) + 1e-6) * weight;
  }
  Tensor Turned(const Tensor& x) const {
    const auto halves = x.chunk(2, -1);
    const std::int64_t length = x.size(2);
    return x * cosines.slice(0, 0, length) +
           torch::cat({-halves[1], halves[0]}, -1) * sines.slice(0, 0, length);
  }
  Tensor forward(const Tensor& ids) {
    Tensor x = embed(ids);
    const Tensor y = Normed(x, norm1);
    const Tensor mixed = torch::scaled_dot_product_attention(
        Turned(Heads(q(y), 4)), Turned(Heads(k(y), 2)), Heads(v(y), 2), {}, 0.0, true, {}, true);
    x = x + o(Joined(mixed));
    const Tensor z = Normed(x, norm2);
    x = x + down(torch::silu(gate(z)) * up(z));
    return head(x);
  }
  nn::Embedding embed{kWords, 24};
  nn::Linear q{24, 24}, k{24, 12}, v{24, 12}, o{24, 24}, gate{24, 48}, up{24, 48}, down{48, 24},
      head{24, kWords};
  Tensor norm1, norm2, cosines, sines;
};
TORCH_MODULE(Llama);

// T5's decoder (arXiv 1910.10683): relative places by bucket, causal and cross attention.

struct T5Impl : nn::Module {
  T5Impl() {
    register_module("shared", shared);
    register_module("relative", relative);
    for (int i = 0; i < 8; ++i) maps->push_back(nn::Linear(nn::LinearOptions(24, 24).bias(false)));
    register_module("maps", maps);
    register_module("wi", wi);
    register_module("wo", wo);
    weight = register_parameter("norm", torch::ones({24}));
  }
  Tensor Norm(const Tensor& x) const { return torch::rms_norm(x, {24}, weight, 1e-6); }
  Tensor Attention(std::int64_t first, const Tensor& from, const Tensor& to, const Tensor& bias) {
    const auto map = [&](std::int64_t i, const Tensor& x) {
      return maps[first + i]->as<nn::Linear>()->forward(x);
    };
    const Tensor keys = Heads(map(1, to), 4);
    Tensor scores = torch::einsum("bhqd,bhkd->bhqk", {Heads(map(0, from), 4), keys});
    if (bias.defined()) scores += bias;
    const Tensor mixed = torch::matmul(torch::softmax(scores, -1), Heads(map(2, to), 4));
    return map(3, Joined(mixed));
  }
  Tensor Bias(std::int64_t length) {
    const Tensor at = torch::arange(length);
    const Tensor apart = (at.unsqueeze(1) - at.unsqueeze(0)).clamp_min(0);
    const Tensor far =
        4 +
        (torch::log(apart.to(torch::kFloat).clamp_min(1) / 4) / std::log(4.0) * 4).to(torch::kLong);
    const Tensor bucket = torch::where(apart < 4, apart, far.clamp_max(7));
    const Tensor causal = torch::full({length, length}, -1e9).triu(1);
    return relative(bucket).permute({2, 0, 1}).unsqueeze(0) + causal;
  }
  Tensor forward(const Tensor& source, const Tensor& target) {
    const Tensor encoded = shared(source);
    Tensor x = shared(target);
    const Tensor y = Norm(x);
    x = x + Attention(0, y, y, Bias(target.size(1)));
    x = x + Attention(4, Norm(x), Norm(encoded), {});
    x = x + wo(torch::relu(wi(Norm(x))));
    return torch::matmul(Norm(x) / std::sqrt(24.0), shared->weight.t());
  }
  nn::Embedding shared{kWords, 24}, relative{8, 4};
  nn::ModuleList maps;
  nn::Linear wi{24, 48}, wo{48, 24};
  Tensor weight;
};
TORCH_MODULE(T5);

std::vector<Tensor> TwoTexts(std::int64_t rows) {
  at::manual_seed(600 + rows);
  return {at::randint(0, kWords, {rows, 9}, at::kLong),
          at::randint(0, kWords, {rows, 7}, at::kLong)};
}

// LibTorch's own transformer, with sine places and masks.

struct TranslatorImpl : nn::Module {
  TranslatorImpl() {
    register_module("words", words);
    register_module("transformer", transformer);
    register_module("generator", generator);
    Tensor table = torch::zeros({32, 16});
    const Tensor at = torch::arange(32, torch::kFloat).unsqueeze(1);
    const Tensor rate = torch::exp(torch::arange(0, 16, 2, torch::kFloat) * (-std::log(1e4) / 16));
    using torch::indexing::None;
    using torch::indexing::Slice;
    table.index_put_({Slice(), Slice(0, None, 2)}, torch::sin(at * rate));
    table.index_put_({Slice(), Slice(1, None, 2)}, torch::cos(at * rate));
    places = register_buffer("places", table.unsqueeze(1));
  }
  Tensor Embedded(const Tensor& ids) {
    const Tensor x = words(ids).transpose(0, 1) * 4;
    return x + places.slice(0, 0, x.size(0));
  }
  Tensor forward(const Tensor& source, const Tensor& target) {
    const Tensor causal = nn::TransformerImpl::generate_square_subsequent_mask(target.size(1));
    const Tensor padding = source == 0;
    const Tensor y = transformer->forward(Embedded(source), Embedded(target), {}, causal, {},
                                          padding, {}, padding);
    return torch::log_softmax(generator(y), -1).transpose(0, 1);
  }
  nn::Embedding words{kWords, 16};
  nn::Transformer transformer{nn::TransformerOptions(16, 4)
                                  .num_encoder_layers(2)
                                  .num_decoder_layers(2)
                                  .dim_feedforward(32)
                                  .activation(torch::kGELU)};
  nn::Linear generator{16, kWords};
  Tensor places;
};
TORCH_MODULE(Translator);

std::vector<Tensor> PaddedTexts(std::int64_t rows) {
  std::vector<Tensor> texts = TwoTexts(rows);
  texts[0].select(1, 0).fill_(1);  // Never all padding.
  return texts;
}

// Taggers and classifiers by recurrent nets.

struct TaggerImpl : nn::Module {
  TaggerImpl() {
    register_module("words", words);
    register_module("lstm", lstm);
    register_module("tags", tags);
  }
  Tensor forward(const Tensor& ids) {
    const auto [output, state] = lstm->forward(words(ids));
    return torch::log_softmax(tags(output), 2);
  }
  nn::Embedding words{kWords, 12};
  nn::LSTM lstm{
      nn::LSTMOptions(12, 10).num_layers(2).bidirectional(true).batch_first(true).dropout(0.2)};
  nn::Linear tags{20, 5};
};
TORCH_MODULE(Tagger);

struct LstmLanguageModelImpl : nn::Module {
  LstmLanguageModelImpl() {
    register_module("words", words);
    register_module("lstm", lstm);
    register_module("decoder", decoder);
  }
  /// The states (B, 2, H) come in and go out, as a server keeps them between calls.
  std::vector<Tensor> forward(const Tensor& ids, const Tensor& h, const Tensor& c) {
    const auto [output, state] = lstm->forward(
        words(ids.t()),
        std::make_tuple(h.transpose(0, 1).contiguous(), c.transpose(0, 1).contiguous()));
    return {decoder(output.reshape({-1, output.size(2)}))
                .view({ids.size(1), -1, kWords})
                .transpose(0, 1),
            std::get<0>(state).transpose(0, 1), std::get<1>(state).transpose(0, 1)};
  }
  nn::Embedding words{kWords, 12};
  nn::LSTM lstm{nn::LSTMOptions(12, 14).num_layers(2)};
  nn::Linear decoder{14, kWords};
};
TORCH_MODULE(LstmLanguageModel);

std::vector<Tensor> TextAndState(std::int64_t rows) {
  at::manual_seed(700 + rows);
  return {at::randint(0, kWords, {rows, 6}, at::kLong), at::randn({rows, 2, 14}),
          at::randn({rows, 2, 14})};
}

struct GruClassifierImpl : nn::Module {
  GruClassifierImpl() {
    register_module("words", words);
    register_module("gru", gru);
    register_module("classes", classes);
  }
  Tensor forward(const Tensor& ids) {
    const auto [output, state] = gru->forward(words(ids));
    // Both directions' last states of the last layer, and the mean over words that are no padding.
    const Tensor last = torch::cat({state.select(0, -2), state.select(0, -1)}, 1);
    const Tensor kept = (ids != 0).to(torch::kFloat).unsqueeze(-1);
    const Tensor mean = (output * kept).sum(1) / kept.sum(1).clamp_min(1);
    return classes(torch::cat({last, mean}, 1));
  }
  nn::Embedding words{kWords, 12};
  nn::GRU gru{nn::GRUOptions(12, 10).num_layers(2).bidirectional(true).batch_first(true)};
  nn::Linear classes{40, 4};
};
TORCH_MODULE(GruClassifier);

// Sequence to sequence with Bahdanau's attention (arXiv 1409.0473), five steps of the decoder.

struct Seq2SeqImpl : nn::Module {
  Seq2SeqImpl() {
    register_module("words", words);
    register_module("encoder", encoder);
    register_module("decoder", decoder);
    register_module("query", query);
    register_module("key", key);
    register_module("energy", energy);
    register_module("out", out);
  }
  Tensor forward(const Tensor& source) {
    const auto [memory, state] = encoder->forward(words(source));
    const Tensor keys = key(memory);
    Tensor hidden = state.squeeze(0);
    Tensor token = torch::zeros({source.size(0)}, torch::kLong);
    std::vector<Tensor> steps;
    for (int step = 0; step < 5; ++step) {
      const Tensor scores = energy(torch::tanh(query(hidden).unsqueeze(1) + keys)).squeeze(2);
      const Tensor context = torch::bmm(torch::softmax(scores, 1).unsqueeze(1), memory).squeeze(1);
      hidden = decoder(torch::cat({words(token), context}, 1), hidden);
      steps.push_back(out(hidden));
      token = steps.back().argmax(1);
    }
    return torch::stack(steps, 1);
  }
  nn::Embedding words{kWords, 12};
  nn::GRU encoder{nn::GRUOptions(12, 10).batch_first(true)};
  nn::GRUCell decoder{nn::GRUCellOptions(22, 10)};
  nn::Linear query{10, 8}, key{10, 8}, energy{8, 1}, out{10, kWords};
};
TORCH_MODULE(Seq2Seq);

// A temporal convolutional net (arXiv 1803.01271): what overhangs the end is cut off.

struct TcnBlockImpl : nn::Module {
  TcnBlockImpl(std::int64_t in, std::int64_t out, std::int64_t dilation) : pad(2 * dilation) {
    const auto conv = [&](std::int64_t from) {
      return nn::Conv1d(nn::Conv1dOptions(from, out, 3).padding(pad).dilation(dilation));
    };
    register_module("conv1", conv1 = conv(in));
    register_module("conv2", conv2 = conv(out));
    if (in != out)
      register_module("downsample", downsample = nn::Conv1d(nn::Conv1dOptions(in, out, 1)));
  }
  Tensor Chomped(const Tensor& x) const { return x.slice(2, 0, -pad).contiguous(); }
  Tensor forward(const Tensor& x) {
    Tensor y = torch::relu(Chomped(conv1(x)));
    y = torch::relu(Chomped(conv2(torch::dropout(y, 0.2, is_training()))));
    return torch::relu(y + (downsample.is_empty() ? x : downsample(x)));
  }
  std::int64_t pad;
  nn::Conv1d conv1{nullptr}, conv2{nullptr}, downsample{nullptr};
};
TORCH_MODULE(TcnBlock);

struct TcnImpl : nn::Module {
  TcnImpl() {
    register_module("blocks", blocks);
    register_module("head", head);
  }
  Tensor forward(const Tensor& x) { return head(blocks->forward(x).select(2, -1)); }
  nn::Sequential blocks{TcnBlock(3, 8, 1), TcnBlock(8, 8, 2), TcnBlock(8, 12, 4)};
  nn::Linear head{12, 4};
};
TORCH_MODULE(Tcn);

// WaveNet (arXiv 1609.03499): gated dilated causal convolutions, residuals and skips.

struct WaveNetImpl : nn::Module {
  WaveNetImpl() {
    register_module("start", start);
    for (const std::int64_t dilation : {1, 2, 4, 8}) {
      gates->push_back(nn::Conv1d(nn::Conv1dOptions(8, 16, 2).dilation(dilation)));
      residuals->push_back(nn::Conv1d(nn::Conv1dOptions(8, 8, 1)));
      skips->push_back(nn::Conv1d(nn::Conv1dOptions(8, 12, 1)));
    }
    register_module("gates", gates);
    register_module("residuals", residuals);
    register_module("skips", skips);
    register_module("end", end);
  }
  Tensor forward(const Tensor& signal) {
    Tensor x = start(signal);
    Tensor sum = torch::zeros({x.size(0), 12, x.size(2)});
    for (std::size_t i = 0; i < gates->size(); ++i) {
      const Tensor padded = F::pad(x, F::PadFuncOptions({std::int64_t{1} << i, 0}));
      const auto halves = gates[i]->as<nn::Conv1d>()->forward(padded).chunk(2, 1);
      const Tensor y = torch::tanh(halves[0]) * torch::sigmoid(halves[1]);
      sum = sum + skips[i]->as<nn::Conv1d>()->forward(y);
      x = x + residuals[i]->as<nn::Conv1d>()->forward(y);
    }
    return end(torch::relu(sum));
  }
  nn::Conv1d start{nn::Conv1dOptions(3, 8, 1)};
  nn::ModuleList gates, residuals, skips;
  nn::Conv1d end{nn::Conv1dOptions(12, 6, 1)};
};
TORCH_MODULE(WaveNet);

std::vector<Tensor> Signals(std::int64_t rows) {
  at::manual_seed(800 + rows);
  return {at::randn({rows, 3, 24})};
}

}  // namespace

std::vector<ExportCase> SequenceArchitectures() {
  const auto two = [](auto& net, const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {net.forward(in[0], in[1])};
  };
  const auto three = [](auto& net, const std::vector<Tensor>& in) {
    return net.forward(in[0], in[1], in[2]);
  };
  return {Architecture<Bert>("bert", three, BertInputs),
          Architecture<Gpt>("gpt", Ids(12, kWords)),
          Architecture<Llama>("llama", Ids(12, kWords)),
          Architecture<T5>("t5_decoder", two, TwoTexts),
          Architecture<Translator>("transformer", two, PaddedTexts),
          Architecture<Tagger>("lstm_tagger", Ids(9, kWords)),
          Architecture<LstmLanguageModel>("lstm_language_model", three, TextAndState),
          Architecture<GruClassifier>("gru_classifier", Ids(9, kWords)),
          Architecture<Seq2Seq>("seq2seq_attention", Ids(9, kWords)),
          Architecture<Tcn>("tcn", Signals),
          Architecture<WaveNet>("wavenet", Signals)};
}

}  // namespace muster::testing
