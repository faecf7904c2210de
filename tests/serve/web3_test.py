#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same by the client that people use."""

import unittest

from support import ACCOUNT, Served
from web3 import Web3


class Client(Served):
    def setUp(self):
        super().setUp()
        self.web3 = Web3(Web3.HTTPProvider(f"http://{self.address}"))
        self.account = Web3.to_checksum_address(ACCOUNT)

    def test_reads(self):
        eth = self.web3.eth
        self.assertTrue(self.web3.is_connected())
        self.assertEqual((eth.block_number, eth.chain_id), (3, 1337))
        self.assertEqual(eth.get_balance(self.account), 3)
        self.assertEqual(eth.get_balance(self.account, 1), 1)
        self.assertEqual(eth.get_transaction_count(self.account, "latest"), 3)
        self.assertEqual(bytes(eth.get_code(self.account)), bytes.fromhex("60016002"))
        self.assertEqual(int.from_bytes(eth.get_storage_at(self.account, 2), "big"), 2)
        self.assertEqual(int.from_bytes(eth.get_storage_at(self.account, 0, 2), "big"), 2)

    def test_batch(self):
        with self.web3.batch_requests() as batch:
            for block in (1, 2, 3):
                batch.add(self.web3.eth.get_balance(self.account, block))
            self.assertEqual(batch.execute(), [1, 2, 3])

    def test_errors_arrive(self):
        with self.assertRaises(Exception) as raised:
            self.web3.eth.get_balance(self.account, 99)
        self.assertIn("0x63", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
