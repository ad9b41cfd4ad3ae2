#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/index.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/where.h>

/// Images changed at random while training, each on its own, on their device. N rows, C channels, H and W pixels, any
/// element type. Draws come from the device's default generator.

namespace muster::trials {

/// Each image padded with `most` zeros on all sides and cropped again at a random place: moved by up to `most` pixels.
inline at::Tensor RandomlyCropped(const at::Tensor& images_NCHW, std::int64_t most) {
  if (most == 0) return images_NCHW;
  const std::int64_t rows = images_NCHW.size(0), places = 2 * most + 1;
  // (N, C, places, places, H, W), a view: every image at each of its places.
  const at::Tensor moved = at::constant_pad_nd(images_NCHW, {most, most, most, most})
                               .unfold(2, images_NCHW.size(2), 1)
                               .unfold(3, images_NCHW.size(3), 1);
  const auto ids = images_NCHW.options().dtype(at::kLong);
  return at::index(
      moved.permute({0, 2, 3, 1, 4, 5}),
      {at::arange(rows, ids), at::randint(places, {rows}, ids), at::randint(places, {rows}, ids)});
}

/// Each image as it is or, with probability 1/2, its mirror image.
inline at::Tensor RandomlyFlipped(const at::Tensor& images_NCHW) {
  const at::Tensor mirrored_N111 =
      at::randint(2, {images_NCHW.size(0), 1, 1, 1}, images_NCHW.options().dtype(at::kBool));
  return at::where(mirrored_N111, at::flip(images_NCHW, 3), images_NCHW);
}

}  // namespace muster::trials
