# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # Who holds the ether?
#
# Thirty blocks of Ethereum mainnet, 15 000 001 to 15 000 030, with the state that they touch. Run it in the
# root of the tree; it takes `pip install matplotlib`.

# %%
import tempfile

import flatkv
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# A store of these blocks. Its rows come as NumPy arrays: an account's row begins with the balance, 32 bytes.

# %%
with tempfile.TemporaryDirectory() as folder, flatkv.open(f"{folder}/store", create=True) as store:
    for version, block in flatkv.read_blocks("examples/mainnet-15000001-30.jsonl.zst"):
        store.apply(block)
        store.commit(version)
    addresses, accounts = store.columns("account")

ether = accounts.part(0, 32) @ 256.0 ** np.arange(31, -1, -1) / 1e18
richest = np.argsort(ether)[::-1]
share = np.cumsum(ether[richest]) / ether.sum()
print(f"{np.searchsorted(share, 0.9) + 1} of {len(share)} accounts hold 90 % of {ether.sum():,.0f} ether")
print(f"the richest is 0x{addresses[int(richest[0])].hex()} with {ether[richest[0]]:,.0f}")

# %%
plt.semilogx(np.arange(1, len(share) + 1), 100 * share)
plt.xlabel("accounts, the richest first")
plt.ylabel("share of all their ether, %")
plt.title("Accounts that mainnet blocks 15 000 001 to 15 000 030 touch")
plt.grid(alpha=0.3)
plt.savefig("ether.png", dpi=120)
