// SPDX-License-Identifier: Apache-2.0
#include "fs/network.hpp"

#include <algorithm>
#include <array>

namespace flatkv::fs {
namespace {

// Spelled out because <linux/magic.h> has only some of them.
constexpr std::array<std::uint32_t, 17> kNetworkTypes = {
    0x00006969,  // NFS
    0x0000517B,  // SMB
    0xFF534D42,  // CIFS
    0xFE534D42,  // SMB2
    0x0000564C,  // NCP
    0x01021997,  // 9p
    0x5346414F,  // OpenAFS
    0x6B414653,  // kAFS
    0x73757245,  // Coda
    0x00C36400,  // Ceph
    0x0BD00BD0,  // Lustre
    0x47504653,  // GPFS
    0x19830326,  // BeeGFS
    0xAAD7AAEA,  // PanFS
    0x20030528,  // OrangeFS
    0x786F4256,  // VirtualBox shared folders
    0x7C7C6673,  // Parallels shared folders
};

}  // namespace

bool is_network_type(std::uint32_t type) noexcept {
  return std::ranges::find(kNetworkTypes, type) != kNetworkTypes.end();
}

}  // namespace flatkv::fs
