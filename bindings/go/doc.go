// SPDX-License-Identifier: Apache-2.0

// Package flatkv is FlatKV for Go: a state commitment store for EVM chains, which keeps accounts,
// code and storage slots as flat rows on disk and gives a root that commits to all of them after
// every block.
//
// It calls the C library libflatkv through cgo, and finds it with pkg-config. Programs that use the
// package therefore need a C compiler, the library and its header; see docs/go.md in the sources of
// FlatKV.
//
// # Blocks
//
// A [Block] collects the writes of a block in one buffer, which crosses into the library once:
//
//	var block flatkv.Block
//	block.SetNonce(address, 7)
//	block.SetStorage(address, slot, value)
//	roots, err := store.ApplyCommit(&block, store.Version()+1)
//
// # Reading
//
// [Store], [Reader], [View] and [Overlay] are a [State] each, and read alike. A store reads its
// pending block too. For many goroutines take a View, which stays at its version.
//
// # Errors
//
// Every error of the library is an [*Error] with a [Code] and, where they are known, path, database,
// version and offset. Codes are errors themselves:
//
//	if errors.Is(err, flatkv.ErrLocked) { … }
//
// A missing key is never an error, and a failed read is never a missing key.
//
// # Goroutines
//
// Every method may be called by any goroutine. Those of a Store that write, and its reads, take
// turns; so do those of a Reader and of an Overlay. An [Iterator] and a [Subscription] are for one
// goroutine at a time.
//
// # Closing
//
// Close what you opened. What is forgotten is closed by the garbage collector, at some time; its
// errors are lost then. Views, iterators and overlays may be closed after their store. After Close
// methods return [ErrStoreFailed] or, of what is no store, [ErrInvalidArgument].
package flatkv
