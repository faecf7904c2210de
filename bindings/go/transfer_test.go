// SPDX-License-Identifier: Apache-2.0

package flatkv_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

// A state goes out and comes in as it was, with the roots that the receiver trusts or not at all.
func TestExportAndImport(t *testing.T) {
	store := newStore(t)
	commit(t, store, 1, 1)
	roots := commit(t, store, 2, 2)
	view := must(store.View())(t)
	defer view.Close()
	var stream bytes.Buffer
	ok(t, view.Export(context.Background(), &stream))

	directory := t.TempDir()
	wrong := roots
	wrong.Storage[0]++
	_, err := flatkv.Import(context.Background(), filepath.Join(directory, "wrong"), bytes.NewReader(stream.Bytes()), &wrong)
	refused(t, err, flatkv.ErrCorruption)
	path := filepath.Join(directory, "copy")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	version := must(flatkv.Import(ctx, path, iotestHalf{bytes.NewReader(stream.Bytes())}, &roots))(t)
	expect(t, "version", version, 2)
	copied := must(flatkv.Open(path))(t)
	defer copied.Close()
	expect(t, "roots", must(copied.CommittedRoots())(t), roots)
	again := must(copied.View())(t)
	defer again.Close()
	var second bytes.Buffer
	ok(t, again.Export(ctx, &second))
	if !bytes.Equal(stream.Bytes(), second.Bytes()) {
		t.Error("equal states give other bytes")
	}
}

// A reader that never gives anything does not keep an import waiting.
func TestImportOfAReaderThatGivesNothing(t *testing.T) {
	_, err := flatkv.Import(context.Background(), filepath.Join(t.TempDir(), "store"), emptyReader{}, nil)
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("%v", err)
	}
}

// Nor may one lie about how much it read.
func TestImportOfAReaderThatSaysTooMuch(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, ctx := range []context.Context{context.Background(), ctx} {
		for _, more := range []boastingReader{1, -1 << 40} {
			_, err := flatkv.Import(ctx, filepath.Join(t.TempDir(), "store"), more, nil)
			refused(t, err, flatkv.ErrCancelled)
		}
	}
}

type boastingReader int

func (b boastingReader) Read(into []byte) (int, error) { return len(into) + int(b), nil }

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

// iotestHalf gives fewer bytes than it is asked for.
type iotestHalf struct{ from io.Reader }

func (h iotestHalf) Read(into []byte) (int, error) { return h.from.Read(into[:(len(into)+1)/2]) }

var errPipe = errors.New("the pipe broke")

type brokenPipe struct{ panics bool }

func (b brokenPipe) fail() (int, error) {
	if b.panics {
		panic(errPipe)
	}
	return 0, errPipe
}
func (b brokenPipe) Write([]byte) (int, error) { return b.fail() }
func (b brokenPipe) Read([]byte) (int, error)  { return b.fail() }

// The error of a writer or reader comes back to the caller, and so does a panic.
func TestBrokenStreams(t *testing.T) {
	store := newStore(t)
	commit(t, store, 1, 1)
	view := must(store.View())(t)
	defer view.Close()
	path := filepath.Join(t.TempDir(), "copy")
	ending, end := context.WithCancel(context.Background())
	defer end()
	for _, call := range []func(pipe brokenPipe) error{
		func(pipe brokenPipe) error { return view.Export(context.Background(), pipe) },
		func(pipe brokenPipe) error { return view.Export(ending, pipe) },
		func(pipe brokenPipe) error {
			_, err := flatkv.Import(ending, path, pipe, nil)
			return err
		},
		func(pipe brokenPipe) error {
			_, err := flatkv.Import(context.Background(), path, pipe, nil)
			return err
		},
	} {
		err := call(brokenPipe{})
		refused(t, err, flatkv.ErrCancelled)
		if !errors.Is(err, errPipe) {
			t.Errorf("not the pipe's error: %v", err)
		}
		func() {
			defer func() { expect(t, "panic", recover(), any(errPipe)) }()
			call(brokenPipe{panics: true})
		}()
	}
}

// A context that ends stops a long call.
func TestContext(t *testing.T) {
	store := newStore(t)
	commit(t, store, 1, 1)
	view := must(store.View())(t)
	defer view.Close()
	why := errors.New("the node stops")
	ctx, cancel := context.WithCancelCause(context.Background())
	err := view.Export(ctx, writerFunc(func(bytes []byte) (int, error) {
		cancel(why)
		<-ctx.Done()
		return len(bytes), nil
	}), flatkv.WithProgress(func(flatkv.Progress) {}))
	// The stream is short: it may be through before the request arrives.
	if err != nil && !errors.Is(err, why) {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"export": func() error { return view.Export(ctx, io.Discard) },
		"verify": func() error { _, err := store.Verify(ctx); return err },
		"reader": func() error { _, err := flatkv.OpenReader(ctx, "nowhere"); return err },
	} {
		err := call()
		refused(t, err, flatkv.ErrCancelled)
		if !errors.Is(err, why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A context that ends does not wait for a reader or a writer that gives nothing and takes nothing.
func TestContextBesideAStreamThatBlocks(t *testing.T) {
	store := newStore(t)
	commit(t, store, 1, 1)
	view := must(store.View())(t)
	defer view.Close()
	path := filepath.Join(t.TempDir(), "copy")
	release := make(chan struct{})
	defer close(release)
	why := errors.New("the node stops")
	for name, call := range map[string]func(context.Context, blocking) error{
		"export": func(ctx context.Context, stream blocking) error { return view.Export(ctx, stream) },
		"import": func(ctx context.Context, stream blocking) error {
			_, err := flatkv.Import(ctx, path, stream, nil)
			return err
		},
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		err := call(ctx, blocking{inside: func() { cancel(why) }, release: release})
		refused(t, err, flatkv.ErrCancelled)
		if !errors.Is(err, why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type blocking struct {
	inside  func()
	release chan struct{}
}

func (b blocking) wait() (int, error) {
	b.inside()
	<-b.release
	return 0, io.EOF
}
func (b blocking) Write([]byte) (int, error) { return b.wait() }
func (b blocking) Read([]byte) (int, error)  { return b.wait() }

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(bytes []byte) (int, error) { return w(bytes) }

func TestImporter(t *testing.T) {
	store := newStore(t)
	roots := commit(t, store, 1, 1)
	path := filepath.Join(t.TempDir(), "built")
	abandoned := must(flatkv.NewImporter(path))(t)
	ok(t, abandoned.Close())
	_, err := flatkv.Open(path)
	if err == nil {
		t.Fatal("an abandoned import left a store")
	}
	importer := must(flatkv.NewImporter(path))(t)
	defer importer.Close()
	for _, database := range flatkv.DataDatabases {
		for row, err := range store.Rows(database, flatkv.Range{}) {
			ok(t, err)
			ok(t, importer.Add(database, row))
		}
	}
	expect(t, "roots", must(importer.Finish(1, &roots))(t), roots)
	_, err = importer.Finish(1, nil)
	refused(t, err, flatkv.ErrInvalidArgument)
	built := must(flatkv.Open(path))(t)
	defer built.Close()
	expect(t, "version", built.Version(), 1)

	disorder := must(flatkv.NewImporter(filepath.Join(t.TempDir(), "disorder")))(t)
	defer disorder.Close()
	err = disorder.Add(flatkv.LegacyDatabase, flatkv.Row{Key: []byte("b")}, flatkv.Row{Key: []byte("a")})
	refused(t, err, flatkv.ErrCorruption)
}
