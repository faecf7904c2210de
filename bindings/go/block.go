// SPDX-License-Identifier: Apache-2.0

package flatkv

import (
	"encoding/binary"
	"math"
)

// Module is the name of the change sets that a store keeps. Those of other modules are ignored.
const Module = "evm"

// The first byte of the keys that change sets use.
const (
	StoragePrefix  = 0x03 // address, slot: any bytes, 32 in practice
	CodePrefix     = 0x07 // address: any bytes
	CodeHashPrefix = 0x08 // address: 32 bytes
	NoncePrefix    = 0x0a // address: 8 bytes, big-endian
	BalancePrefix  = 0x21 // address: 32 bytes, big-endian
)

// Pair is one write. With Delete the value counts for nothing.
type Pair struct {
	Key, Value []byte
	Delete     bool
}

// ChangeSet is what one module wrote.
type ChangeSet struct {
	Name  string
	Pairs []Pair
}

// Block collects writes, packed as they cross into the library. The zero value is empty. Later
// writes of a key replace earlier ones. Bytes that are passed in are copied.
type Block struct {
	packed []byte
	count  int // where the number of pairs of the last change set is; 0: none is open
	err    error
}

// Reset empties the block and keeps its memory.
func (b *Block) Reset() { b.packed, b.count, b.err = b.packed[:0], 0, nil }

// failed is why the block cannot be applied.
func (b *Block) failed() error {
	if b == nil {
		return errNil
	}
	return b.err
}

// Size is the number of bytes that cross.
func (b *Block) Size() int { return len(b.packed) }

func (b *Block) number(n int) {
	if n > math.MaxUint32 {
		b.err = refused(ErrInvalidArgument, "a name, key or value of 4 GiB or more")
		n = 0
	}
	b.packed = binary.LittleEndian.AppendUint32(b.packed, uint32(n))
}

func (b *Block) begin(name string) {
	b.number(len(name))
	b.packed = append(b.packed, name...)
	b.count = len(b.packed)
	b.number(0)
}

// pair begins a write in the open change set, or in a new one of Module.
func (b *Block) pair(flag byte) {
	if b.count == 0 {
		b.begin(Module)
	}
	count := b.packed[b.count:]
	binary.LittleEndian.PutUint32(count, binary.LittleEndian.Uint32(count)+1)
	b.packed = append(b.packed, flag)
}

// Set sets a key as change sets have it: with the prefix of its kind.
func (b *Block) Set(key, value []byte) {
	b.pair(0)
	b.number(len(key))
	b.packed = append(b.packed, key...)
	b.number(len(value))
	b.packed = append(b.packed, value...)
}

// Delete removes a key. A nonce, code hash or balance becomes zero.
func (b *Block) Delete(key []byte) {
	b.pair(1)
	b.number(len(key))
	b.packed = append(b.packed, key...)
	b.number(0)
}

// Add appends change sets. What follows by Set and the like is a change set of Module.
func (b *Block) Add(sets ...ChangeSet) {
	for _, set := range sets {
		b.begin(set.Name)
		for _, pair := range set.Pairs {
			if pair.Delete {
				b.Delete(pair.Key)
			} else {
				b.Set(pair.Key, pair.Value)
			}
		}
	}
	b.count = 0
}

// SetNonce sets the nonce of an account.
func (b *Block) SetNonce(address Address, nonce uint64) {
	b.account(NoncePrefix, address, 8)
	b.packed = binary.BigEndian.AppendUint64(b.packed, nonce)
}

// SetBalance sets the balance of an account.
func (b *Block) SetBalance(address Address, balance Word) {
	b.account(BalancePrefix, address, len(balance))
	b.packed = append(b.packed, balance[:]...)
}

// SetCodeHash sets the code hash of an account.
func (b *Block) SetCodeHash(address Address, hash Hash) {
	b.account(CodeHashPrefix, address, len(hash))
	b.packed = append(b.packed, hash[:]...)
}

// SetCode sets the code of an account. Its hash is set by SetCodeHash.
func (b *Block) SetCode(address Address, code []byte) {
	b.account(CodePrefix, address, len(code))
	b.packed = append(b.packed, code...)
}

// SetStorage sets a slot.
func (b *Block) SetStorage(address Address, slot Word, value []byte) {
	b.storage(0, address, slot)
	b.number(len(value))
	b.packed = append(b.packed, value...)
}

// DeleteStorage removes a slot.
func (b *Block) DeleteStorage(address Address, slot Word) {
	b.storage(1, address, slot)
	b.number(0)
}

func (b *Block) account(prefix byte, address Address, size int) {
	b.pair(0)
	b.number(1 + len(address))
	b.packed = append(append(b.packed, prefix), address[:]...)
	b.number(size)
}

func (b *Block) storage(flag byte, address Address, slot Word) {
	b.pair(flag)
	b.number(1 + len(address) + len(slot))
	b.packed = append(append(b.packed, StoragePrefix), address[:]...)
	b.packed = append(b.packed, slot[:]...)
}

// unpackChanges reads what the library packed.
func unpackChanges(packed []byte) []ChangeSet {
	var sets []ChangeSet
	take := func(size int) []byte {
		taken := packed[:size:size]
		packed = packed[size:]
		return taken
	}
	number := func() int { return int(binary.LittleEndian.Uint32(take(4))) }
	for len(packed) > 0 {
		set := ChangeSet{Name: string(take(number()))}
		set.Pairs = make([]Pair, number())
		for i := range set.Pairs {
			set.Pairs[i].Delete = take(1)[0] == 1
			set.Pairs[i].Key = take(number())
			set.Pairs[i].Value = take(number())
		}
		sets = append(sets, set)
	}
	return sets
}
