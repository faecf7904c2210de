// SPDX-License-Identifier: Apache-2.0

package flatkv_test

import (
	"fmt"
	"log"
	"os"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

func Example() {
	directory, err := os.MkdirTemp("", "flatkv")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(directory)
	store, err := flatkv.Open(directory+"/store", flatkv.WithCreateIfMissing(), flatkv.WithStrict())
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	address := flatkv.Address{0xc0, 0xff, 0xee}
	var block flatkv.Block
	block.SetNonce(address, 1)
	block.SetStorage(address, flatkv.Word{31: 7}, []byte("seven"))
	roots, err := store.ApplyCommit(&block, store.Version()+1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.Version(), roots.Root)

	view, err := store.View()
	if err != nil {
		log.Fatal(err)
	}
	defer view.Close()
	for row, err := range view.Rows(flatkv.StorageDatabase, flatkv.Range{Prefix: address[:]}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("slot %d: %s\n", row.Key[51], row.Value)
	}
	// Output:
	// 1 2f01d68b60adbcf3b17a230bc3585a3e29a7dd6afb6d2c80f6698e6d664b02c2
	// slot 7: seven
}
