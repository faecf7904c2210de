// SPDX-License-Identifier: Apache-2.0

// Command flatkv-from-sei makes a FlatKV store of a directory that Sei's FlatKV wrote.
//
//	flatkv-from-sei [--snapshot] [--expect LINE] DIR STORE
//
// It reads the four data databases and the metadata database of DIR, and the changelog above them,
// and never writes there. Every row is hashed on the way, and the hashes are compared with those
// that DIR has: one for each database or, in a directory from before it had those, the global one.
// STORE appears when all is proven, or not at all.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// What a run ends with.
const (
	exitDone    = 0
	exitRefused = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, arguments []string) int {
	flags := flag.NewFlagSet("flatkv-from-sei", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	snapshot := flags.Bool("snapshot", false, "read the newest snapshot instead of the working copy")
	expect := flags.String("expect", "", "the roots line that the result must have: root, account, code, storage, legacy in hex, separated by spaces")
	if err := flags.Parse(arguments); errors.Is(err, flag.ErrHelp) {
		return exitDone
	} else if err != nil {
		return exitUsage
	}
	if flags.NArg() != 2 {
		flags.Usage()
		return exitUsage
	}
	made, err := convert(ctx, request{
		directory: flags.Arg(0),
		store:     flags.Arg(1),
		snapshot:  *snapshot,
		expect:    *expect,
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "flatkv-from-sei: %v\n", err)
		return exitRefused
	}
	fmt.Print(made)
	return exitDone
}

const usage = `usage: flatkv-from-sei [--snapshot] [--expect LINE] DIR STORE

Makes a FlatKV store at STORE of DIR, a directory of Sei's FlatKV. Stop the node first. DIR is only
read; STORE must not exist, and does not exist after a refusal.

`
