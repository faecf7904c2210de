// SPDX-License-Identifier: Apache-2.0

// Command slots is benchmarks/bindings/slots.cpp in Go; keep them alike.
//
//	slots DIR ROWS BLOCKS GETS sync|process
package main

import (
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"time"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

const (
	writes     = 1000
	loadWrites = 10000
	warmRows   = 4096
)

func mixed(number uint64) uint64 {
	number += 0x9e3779b97f4a7c15
	number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9
	number = (number ^ (number >> 27)) * 0x94d049bb133111eb
	return number ^ (number >> 31)
}

func keyOf(row uint64) (key [53]byte) {
	key[0] = flatkv.StoragePrefix
	binary.BigEndian.PutUint64(key[21:], mixed(row))
	return key
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

type run struct {
	store       *flatkv.Store
	block       flatkv.Block
	rows, drawn uint64
}

func (r *run) draw() uint64 {
	r.drawn++
	return mixed(r.drawn)
}

// commit commits a block of new rows, or of as many new ones as others.
func (r *run) commit(writes int, load bool) {
	r.block.Reset()
	for i := range writes {
		var row uint64
		if load || i%2 == 1 {
			row = r.rows
			r.rows++
		} else {
			row = r.draw() % r.rows
		}
		key := keyOf(row)
		var value [32]byte
		binary.BigEndian.PutUint64(value[:], r.draw())
		r.block.Set(key[:], value[:])
	}
	must(r.store.ApplyCommit(&r.block, r.store.Version()+1))
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 6 {
		log.Fatal("usage: slots DIR ROWS BLOCKS GETS sync|process")
	}
	number := func(i int) uint64 { return must(strconv.ParseUint(os.Args[i], 10, 64)) }
	rows, blocks, gets := number(2), number(3), number(4)
	durability := flatkv.SurviveProcess
	if os.Args[5] == "sync" {
		durability = flatkv.SyncEveryBlock
	}
	store := must(flatkv.Open(os.Args[1], flatkv.WithCreateIfMissing(), flatkv.WithDurability(durability)))
	r := run{store: store}
	for row := uint64(0); row < rows; row += loadWrites {
		r.commit(loadWrites, true)
	}

	var times []float64
	for range blocks {
		begin := time.Now()
		r.commit(writes, false)
		times = append(times, float64(time.Since(begin).Nanoseconds())/1000)
	}
	slices.Sort(times)

	view := must(store.View())
	warm := make([][53]byte, warmRows)
	for row := range warm {
		warm[row] = keyOf(uint64(row))
		must(view.Get(warm[row][:]))
	}
	read := 0
	begin := time.Now()
	for i := range gets {
		read += len(must(view.Get(warm[mixed(i)%warmRows][:])))
	}
	get := float64(time.Since(begin).Nanoseconds()) / float64(gets)
	if read != int(gets)*32 {
		log.Fatal("a row is missing")
	}
	fmt.Printf("{\"language\": \"Go\", \"block_us\": %g, \"get_ns\": %g}\n", times[len(times)/2], get)
	if err := view.Close(); err != nil {
		log.Fatal(err)
	}
	if err := store.Close(); err != nil {
		log.Fatal(err)
	}
}
