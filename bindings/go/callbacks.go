// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

static uint64_t this_thread(void) { return (uint64_t)pthread_self(); }
*/
import "C"

import (
	"context"
	"errors"
	"io"
	"runtime/cgo"
	"sync/atomic"
	"unsafe"
)

// callbacks are the functions of the caller that the library calls until a store and everything
// taken from it are freed. Each handle of those keeps them.
type callbacks struct {
	log      func(Level, string)
	durable  func(version int64)
	progress func(Progress)
	run      func(task func()) bool
	threads  uint32 // of run

	thread atomic.Uint64 // on which durable runs, or 0
	users  atomic.Int64
	cell   unsafe.Pointer // C memory that holds the cgo.Handle: what the library passes back
}

func (c *callbacks) any() bool {
	return c.log != nil || c.durable != nil || c.progress != nil || c.run != nil
}

// open makes the cell; the caller is its first user.
func (c *callbacks) open() {
	c.users.Store(1)
	c.cell = newCell(c)
}

func (c *callbacks) retain() {
	if c != nil {
		c.users.Add(1)
	}
}

func (c *callbacks) release() {
	if c != nil && c.users.Add(-1) == 0 {
		freeCell(c.cell)
	}
}

// newCell makes C memory from which a callback finds a Go value.
func newCell(value any) unsafe.Pointer {
	cell := C.malloc(C.size_t(unsafe.Sizeof(cgo.Handle(0))))
	*(*cgo.Handle)(cell) = cgo.NewHandle(value)
	return cell
}

func freeCell(cell unsafe.Pointer) {
	(*cgo.Handle)(cell).Delete()
	C.free(cell)
}

func inCell[T any](cell unsafe.Pointer) T { return (*cgo.Handle)(cell).Value().(T) }

// A panic must not pass through the library: its callers could not go on. It ends the program.
func noPanic() {
	if panicked := recover(); panicked != nil {
		go panic(panicked)
		select {}
	}
}

//export flatkvGoLog
func flatkvGoLog(user unsafe.Pointer, level C.uint32_t, text *C.char, size C.size_t) {
	defer noPanic()
	inCell[*callbacks](user).log(Level(level), C.GoStringN(text, C.int(size)))
}

//export flatkvGoDurable
func flatkvGoDurable(user unsafe.Pointer, version C.int64_t) {
	defer noPanic()
	c := inCell[*callbacks](user)
	c.thread.Store(uint64(C.this_thread()))
	defer c.thread.Store(0)
	c.durable(int64(version))
}

// inDurable says whether the caller is that callback, whose goroutine keeps to its thread.
func (c *callbacks) inDurable() bool {
	thread := c.thread.Load()
	return thread != 0 && thread == uint64(C.this_thread())
}

//export flatkvGoProgress
func flatkvGoProgress(user unsafe.Pointer, step *C.char, size C.size_t, done, total C.uint64_t) {
	defer noPanic()
	inCell[*callbacks](user).progress(Progress{
		Step: C.GoStringN(step, C.int(size)), Done: uint64(done), Total: uint64(total),
	})
}

// callee is what of the caller's the library calls during one call of it, and what that failed with.
type callee struct {
	ctx        context.Context
	writer     io.Writer
	reader     io.Reader
	difference func(Difference) error
	buffer     []byte // of a reader or writer that the context may leave alone
	err        error
	panicked   any
}

// errLeft says that the context ended before the caller's reader or writer came back.
var errLeft = errors.New("left alone")

// stream runs a step of the caller's reader or writer with bytes, which are the library's. A context that can end does not
// wait for it: the step has a buffer in their place then, since it may go on when they are gone.
func (s *callee) stream(bytes []byte, step func(bytes []byte) (int, error)) (int, error) {
	if s.ctx.Done() == nil {
		return step(bytes)
	}
	type end struct {
		n        int
		err      error
		panicked any
	}
	if len(s.buffer) < len(bytes) {
		s.buffer = make([]byte, len(bytes))
	}
	buffer := s.buffer[:len(bytes)]
	if s.writer != nil {
		copy(buffer, bytes)
	}
	ended := make(chan end, 1)
	go func() {
		is := end{err: io.ErrUnexpectedEOF} // where the step ends its goroutine
		defer func() {
			is.panicked = recover()
			ended <- is
		}()
		is.n, is.err = step(buffer)
	}()
	select {
	case is := <-ended:
		if is.panicked != nil {
			panic(is.panicked)
		}
		if s.reader != nil {
			copy(bytes, buffer[:is.n])
		}
		return is.n, is.err
	case <-s.ctx.Done():
		return 0, errLeft
	}
}

// caught keeps a panic until the library has returned.
func (s *callee) caught() {
	if panicked := recover(); panicked != nil {
		s.panicked = panicked
	}
}

//export flatkvGoRun
func flatkvGoRun(user, step, task unsafe.Pointer) C.int32_t {
	defer noPanic()
	var taken atomic.Bool // or refused: the library frees the task then
	ran := inCell[*callbacks](user).run(func() {
		if !taken.Swap(true) {
			runTask(step, task)
		}
	})
	if !ran && !taken.Swap(true) {
		return 1
	}
	return 0
}

//export flatkvGoDifference
func flatkvGoDifference(user unsafe.Pointer, database C.uint32_t, key C.flatkv_bytes, a, b *C.flatkv_bytes) (end C.int32_t) {
	s := inCell[*callee](user)
	end = 1
	defer s.caught()
	s.err = s.difference(Difference{
		Database: Database(database), Key: copyOf(&key), A: copyOf(a), B: copyOf(b),
	})
	if s.err != nil {
		return 1
	}
	return 0
}

// copyOf is nil for nil alone.
func copyOf(from *C.flatkv_bytes) []byte {
	if from == nil {
		return nil
	}
	return append(make([]byte, 0, int(from.size)), unsafe.Slice((*byte)(from.data), int(from.size))...)
}

//export flatkvGoWrite
func flatkvGoWrite(user unsafe.Pointer, data *C.uint8_t, size C.size_t) (failed C.int32_t) {
	s := inCell[*callee](user)
	failed = 1
	defer s.caught()
	wrote, err := s.stream(unsafe.Slice((*byte)(data), int(size)), s.writer.Write)
	if err == nil && wrote < int(size) {
		err = io.ErrShortWrite
	}
	if s.err = err; err != nil {
		return 1
	}
	return 0
}

// How often a reader may give nothing, and no error, at a time.
const emptyReads = 100

// readSome reads at least a byte. A reader that never gives one would keep the library, and with it a context, waiting.
func readSome(from io.Reader, into []byte) (int, error) {
	for range emptyReads {
		if n, err := from.Read(into); n < 0 || n > len(into) {
			return 0, errors.New("a reader that says it read more than it had room for")
		} else if n > 0 {
			return n, nil // what else it has to say, it says again
		} else if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

//export flatkvGoRead
func flatkvGoRead(user unsafe.Pointer, into *C.uint8_t, size C.size_t) (read C.int64_t) {
	s := inCell[*callee](user)
	read = -1
	defer s.caught()
	if size == 0 {
		return 0
	}
	n, err := s.stream(unsafe.Slice((*byte)(into), int(size)), func(into []byte) (int, error) {
		return readSome(s.reader, into)
	})
	if err == io.EOF {
		return 0
	}
	if s.err = err; err != nil {
		return -1
	}
	return C.int64_t(n)
}
