#pragma once

#include <string>
#include <vector>

/// What the GPUs that an agent has to give out are called to a program.

namespace muster::cluster::local {

/// CUDA_VISIBLE_DEVICES, as Slurm or the site set it for the agent: names by position, each a device's number (by
/// place on the PCI bus), the UUID of a device or the beginning of one (GPU-...), or that of a part of one (MIG-...).
/// As CUDA reads it, what follows the first name that names nothing or was named before does not count.
std::vector<std::string> VisibleNames(const std::string& visible_devices);

/// What a rank calls device `index` of its agent, whose own CUDA_VISIBLE_DEVICES is `visible_devices`; nullptr: it is
/// not set. The index itself where the agent was told to have more (--gpus).
std::string DeviceName(const std::string* visible_devices, int index);

}  // namespace muster::cluster::local
