// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>

void flatkvGoLog(void*, uint32_t, char*, size_t);
void flatkvGoDurable(void*, int64_t);
void flatkvGoProgress(void*, char*, size_t, uint64_t, uint64_t);
int32_t flatkvGoRun(void*, void*, void*);

static void run_task(void* step, void* task) { ((void (*)(void*))step)(task); }
*/
import "C"

import (
	"context"
	"unsafe"
)

// Option is a choice for a function that takes options; it says which. What is not chosen has the
// default of the library, and an option that a function does not look at does nothing. A number out
// of range is ErrInvalidArgument, which names the range.
type Option func(*settings)

type settings struct {
	numbers map[C.uint32_t]uint64
	modules []string
	scratch string
	stream  string
	calls   callbacks
}

func number(option C.uint32_t, value uint64) Option {
	return func(s *settings) { s.numbers[option] = value }
}

func choice(option C.uint32_t, yes bool) Option {
	if yes {
		return number(option, 1)
	}
	return number(option, 0)
}

// AccountRows says what becomes of an account row whose fields are all zero.
type AccountRows uint64

const (
	KeepAccountRows    AccountRows = 0 // it stays, as in the reference
	PruneEmptyAccounts AccountRows = 1 // it is removed (EIP-161)
)

// Durability says when Commit returns.
type Durability uint64

const (
	SyncEveryBlock Durability = 0 // when the block is on stable storage
	SurviveProcess Durability = 1 // when it survives a crash of the process
	GroupCommit    Durability = 2 // as SurviveProcess, with few blocks that are not durable yet
)

// ScrubMode says whether a store verifies itself while it runs.
type ScrubMode uint64

const (
	ScrubOff        ScrubMode = 0
	ScrubByHand     ScrubMode = 1 // by Store.Scrub
	ScrubBackground ScrubMode = 2
)

// Options of Open.
func WithCreateIfMissing() Option        { return choice(C.FLATKV_CREATE_IF_MISSING, true) }
func WithDurability(d Durability) Option { return number(C.FLATKV_DURABILITY, uint64(d)) }
func WithGroupBlocks(blocks uint64) Option {
	return number(C.FLATKV_GROUP_BLOCKS, blocks)
}
func WithMaxLagBlocks(blocks uint64) Option { return number(C.FLATKV_MAX_LAG_BLOCKS, blocks) }
func WithMaxLagBytes(bytes uint64) Option   { return number(C.FLATKV_MAX_LAG_BYTES, bytes) }

// WithRowCacheBytes sets the size of the row cache; math.MaxUint64 is automatic, 0 is none.
func WithRowCacheBytes(bytes uint64) Option  { return number(C.FLATKV_ROW_CACHE_BYTES, bytes) }
func WithKeyFilterBytes(bytes uint64) Option { return number(C.FLATKV_KEY_FILTER_BYTES, bytes) }

// WithSnapshotInterval sets after how many versions a snapshot is written; 0: none by themselves.
func WithSnapshotInterval(versions uint64) Option {
	return number(C.FLATKV_SNAPSHOT_INTERVAL, versions)
}

// WithSnapshotKeep sets how many snapshots are kept besides the newest.
func WithSnapshotKeep(snapshots uint64) Option { return number(C.FLATKV_SNAPSHOT_KEEP, snapshots) }
func WithScrub(mode ScrubMode) Option          { return number(C.FLATKV_SCRUB, uint64(mode)) }
func WithScrubRowsPerSecond(rows uint64) Option {
	return number(C.FLATKV_SCRUB_ROWS_PER_SECOND, rows)
}
func WithScrubPauseSeconds(seconds uint64) Option {
	return number(C.FLATKV_SCRUB_PAUSE_SECONDS, seconds)
}
func WithSegmentBytes(bytes uint64) Option       { return number(C.FLATKV_SEGMENT_BYTES, bytes) }
func WithLogKeepBytes(bytes uint64) Option       { return number(C.FLATKV_LOG_KEEP_BYTES, bytes) }
func WithMaxViewBytes(bytes uint64) Option       { return number(C.FLATKV_MAX_VIEW_BYTES, bytes) }
func WithRecentVersions(versions uint64) Option  { return number(C.FLATKV_RECENT_VERSIONS, versions) }
func WithOverlayMemoryBytes(bytes uint64) Option { return number(C.FLATKV_OVERLAY_MEMORY_BYTES, bytes) }
func WithRollbackDepth(blocks uint64) Option     { return number(C.FLATKV_ROLLBACK_DEPTH, blocks) }

// WithReadsInFlight sets how many rows a call reads at a time, from 1 to 1024.
func WithReadsInFlight(rows uint64) Option { return number(C.FLATKV_READS_IN_FLIGHT, rows) }

// WithPrefetchRows sets how many rows may wait for Prefetch; 0: it does nothing.
func WithPrefetchRows(rows uint64) Option { return number(C.FLATKV_PREFETCH_ROWS, rows) }

// WithLevel0Limit sets above how many level-0 files a flush waits.
func WithLevel0Limit(files uint64) Option { return number(C.FLATKV_LEVEL0_LIMIT, files) }

// WithPendingCompactionBytes sets above how many bytes that wait for compaction a flush waits.
func WithPendingCompactionBytes(bytes uint64) Option {
	return number(C.FLATKV_PENDING_COMPACTION_BYTES, bytes)
}

// WithDurable sets what is called, with GroupCommit, when the blocks up to a version are durable. It
// runs on the thread that syncs and must not write to the store.
func WithDurable(call func(version int64)) Option {
	return func(s *settings) { s.calls.durable = call }
}

// Options of Create, and of an Open that creates.

// WithAccountRows is of NewImporter, too.
func WithAccountRows(rows AccountRows) Option { return number(C.FLATKV_ACCOUNT_ROWS, uint64(rows)) }

// WithInitialVersion sets the version of the first block, from 1 on.
func WithInitialVersion(version int64) Option {
	return number(C.FLATKV_INITIAL_VERSION, uint64(version))
}

// Options of Open and OpenReader.

// WithStrict refuses what is likely a mistake, such as a key that is a byte short.
func WithStrict() Option { return choice(C.FLATKV_STRICT, true) }

// WithStrictModule names one more module besides "evm" whose change sets WithStrict lets pass, to be
// ignored.
func WithStrictModule(name string) Option {
	return func(s *settings) { s.modules = append(s.modules, name) }
}

// WithStrictLegacyKeys allows legacy keys although WithStrict is given.
func WithStrictLegacyKeys() Option             { return choice(C.FLATKV_STRICT_LEGACY_KEYS, true) }
func WithWriteBufferBytes(bytes uint64) Option { return number(C.FLATKV_WRITE_BUFFER_BYTES, bytes) }
func WithBlockCacheBytes(bytes uint64) Option  { return number(C.FLATKV_BLOCK_CACHE_BYTES, bytes) }

// WithThreads sets how many threads the library uses. It is of Verify, Diff, Repair and RollbackPath, too;
// 0: one for each core.
func WithThreads(threads uint64) Option { return number(C.FLATKV_THREADS, threads) }

// WithVersion opens a Reader at this version instead of the newest.
func WithVersion(version int64) Option { return number(C.FLATKV_AT_VERSION, uint64(version)) }

// WithScratch sets the directory in which OpenReader makes its copy, instead of the store's.
func WithScratch(directory string) Option {
	return func(s *settings) { s.scratch = directory }
}

// Options of Verify and Diff.
func WithRowsPerSecond(rows uint64) Option { return number(C.FLATKV_ROWS_PER_SECOND, rows) }
func WithOneDatabase(database Database) Option {
	return number(C.FLATKV_ONE_DATABASE, uint64(database))
}

// WithReplace lets Import and NewImporter replace a store that is there.
func WithReplace() Option { return choice(C.FLATKV_REPLACE, true) }

// WithStreamFile gives Repair an exported state, to take rows from instead of a snapshot.
func WithStreamFile(path string) Option {
	return func(s *settings) { s.stream = path }
}

// WithExecutor has rows hashed for the store that Open opens by goroutines of the caller, beside the
// one that writes; without it, threads do that which the stores of the process share. run must see to it
// that task is called once, soon, on another goroutine than its own, and return true; or return false
// if it cannot: the work is done at once then. Any thread of the library may call run while a call
// goes on. A task takes some hundred microseconds and waits for no other. threads, from 1 on, is how many run at
// the same time; WithThreads is the share of the store.
func WithExecutor(threads uint32, run func(task func()) bool) Option {
	return func(s *settings) { s.calls.threads, s.calls.run = threads, run }
}

func runTask(step, task unsafe.Pointer) { C.run_task(step, task) }

// Level is how serious a message of the log is.
type Level uint32

const (
	LevelInfo    Level = 0
	LevelWarning Level = 1
	LevelError   Level = 2
)

// WithLog sets where messages go; without it there are none. It is called by any thread of the
// library until the store and what was taken from it are freed. Of the store it may call only
// Version, CommittedRoots, View, DurableVersion and Metrics.
func WithLog(call func(level Level, text string)) Option {
	return func(s *settings) { s.calls.log = call }
}

// Progress is how far a long call is: rows or blocks; both 0 where it cannot tell.
type Progress struct {
	Step        string
	Done, Total uint64
}

// WithProgress sets what a long call reports to.
func WithProgress(call func(Progress)) Option {
	return func(s *settings) { s.calls.progress = call }
}

// call is the options of one call of the library, and what ends it with a context.
type call struct {
	options *C.flatkv_options
	stream  *C.char    // nil if there is none
	keeps   *callbacks // nil if there are none
	stop    *handle
	unwatch func() bool
	ctx     context.Context
}

// newCall makes them; the caller calls done.
func newCall(ctx context.Context, options []Option) (*call, error) {
	chosen := settings{numbers: map[C.uint32_t]uint64{}}
	for _, option := range options {
		option(&chosen)
	}
	made := &call{ctx: ctx}
	if err := takeError(C.flatkv_options_new(&made.options)); err != nil {
		return nil, err
	}
	if err := made.set(&chosen); err != nil {
		made.done()
		return nil, err
	}
	return made, nil
}

func (c *call) set(chosen *settings) error {
	for option, value := range chosen.numbers {
		if err := takeError(C.flatkv_options_set(c.options, option, C.uint64_t(value))); err != nil {
			return err
		}
	}
	if err := c.setTexts(chosen); err != nil {
		return err
	}
	if err := c.setCallbacks(&chosen.calls); err != nil {
		return err
	}
	if c.ctx.Done() == nil {
		return nil
	}
	if c.ctx.Err() != nil {
		return stopped(c.ctx)
	}
	var stop *C.flatkv_stop
	if err := takeError(C.flatkv_stop_new(&stop)); err != nil {
		return err
	}
	c.stop = newHandle(unsafe.Pointer(stop), nil)
	if err := takeError(C.flatkv_options_stop(c.options, stop)); err != nil {
		return err
	}
	c.unwatch = context.AfterFunc(c.ctx, func() {
		if c.stop.enter() {
			defer c.stop.leave()
			C.flatkv_stop_request(stop)
		}
	})
	return nil
}

func (c *call) setTexts(chosen *settings) error {
	for _, name := range chosen.modules {
		text, err := cString(name)
		if err != nil {
			return err
		}
		err = takeError(C.flatkv_options_strict_module(c.options, text))
		freeString(text)
		if err != nil {
			return err
		}
	}
	if chosen.stream != "" {
		text, err := cString(chosen.stream)
		if err != nil {
			return err
		}
		c.stream = text
	}
	if chosen.scratch == "" {
		return nil
	}
	text, err := cString(chosen.scratch)
	if err != nil {
		return err
	}
	defer freeString(text)
	return takeError(C.flatkv_options_scratch(c.options, text))
}

func (c *call) setCallbacks(calls *callbacks) error {
	if !calls.any() {
		return nil
	}
	calls.open()
	c.keeps = calls
	if calls.log != nil {
		failed := C.flatkv_options_log(c.options, C.flatkv_log_callback(C.flatkvGoLog), calls.cell)
		if err := takeError(failed); err != nil {
			return err
		}
	}
	if calls.durable != nil {
		failed := C.flatkv_options_on_durable(c.options,
			C.flatkv_durable_callback(C.flatkvGoDurable), calls.cell)
		if err := takeError(failed); err != nil {
			return err
		}
	}
	if calls.progress != nil {
		failed := C.flatkv_options_progress(c.options,
			C.flatkv_progress_callback(C.flatkvGoProgress), calls.cell)
		if err := takeError(failed); err != nil {
			return err
		}
	}
	if calls.run != nil {
		failed := C.flatkv_options_executor(c.options, C.uint32_t(calls.threads),
			C.flatkv_run_callback(C.flatkvGoRun), calls.cell)
		return takeError(failed)
	}
	return nil
}

// failure is the error of the call, with why the context ended if that is what stopped it.
func (c *call) failure(failed *C.flatkv_error) error {
	err := takeError(failed)
	if err != nil && c.ctx.Err() != nil {
		return because(err, context.Cause(c.ctx))
	}
	return err
}

// done frees what the library does not keep.
func (c *call) done() {
	if c.unwatch != nil {
		c.unwatch()
	}
	c.stop.close()
	C.flatkv_free(unsafe.Pointer(c.options))
	freeString(c.stream)
	c.keeps.release()
}
