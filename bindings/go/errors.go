// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>
*/
import "C"

import (
	"context"
	"strings"
	"unsafe"
)

// Code says what kind of an error it is. Codes are errors: use them with errors.Is.
type Code uint32

// The codes. Their numbers never change.
const (
	ErrInvalidArgument  Code = C.FLATKV_INVALID_ARGUMENT  // the caller's input is wrong; nothing has changed
	ErrNotFound         Code = C.FLATKV_NOT_FOUND         // there is no such store, file, version or snapshot
	ErrLocked           Code = C.FLATKV_LOCKED            // another handle, in any process, has the store open
	ErrCorruption       Code = C.FLATKV_CORRUPTION        // bytes on disk are not what was written
	ErrLogGap           Code = C.FLATKV_LOG_GAP           // versions that are needed are missing from the log
	ErrLogBehind        Code = C.FLATKV_LOG_BEHIND        // the log ends below what is known to be durable
	ErrVersionMismatch  Code = C.FLATKV_VERSION_MISMATCH  // a version other than the expected one
	ErrFormatTooNew     Code = C.FLATKV_FORMAT_TOO_NEW    // written by a newer FlatKV
	ErrForeignStore     Code = C.FLATKV_FOREIGN_STORE     // belongs to another store
	ErrImportIncomplete Code = C.FLATKV_IMPORT_INCOMPLETE // an import was interrupted, and there is no other data
	ErrStoreFailed      Code = C.FLATKV_STORE_FAILED      // an earlier failure poisoned the store, or it is closed
	ErrIO               Code = C.FLATKV_IO                // the operating system failed
	ErrNoSpace          Code = C.FLATKV_NO_SPACE          // the disk or a configured limit is full
	ErrPermission       Code = C.FLATKV_PERMISSION        // the operating system refused access
	ErrCancelled        Code = C.FLATKV_CANCELLED         // the caller asked to stop, or the store is being closed
	ErrUnsupported      Code = C.FLATKV_UNSUPPORTED       // not possible on this machine or in this mode
	ErrOutOfMemory      Code = C.FLATKV_OUT_OF_MEMORY     // an allocation failed
	ErrStale            Code = C.FLATKV_STALE             // stands on a block that is not the last committed one any more
)

// Error is the name of the code, such as "invalid_argument".
func (c Code) Error() string {
	return C.GoString(C.flatkv_code_name(C.uint32_t(c)))
}

// Error is an error of the library. Its fields are what is known; those that may be missing are nil
// or empty.
type Error struct {
	Code     Code
	Message  string
	Path     string
	Database *Database
	Version  *int64
	Offset   *uint64 // in bytes, in the file at Path

	text  string
	cause error
}

// Error is one line with all that is known.
func (e *Error) Error() string { return "flatkv: " + e.text }

// Is says whether target is the code of the error.
func (e *Error) Is(target error) bool {
	code, is := target.(Code)
	return is && code == e.Code
}

// Unwrap is what made the library stop: the error of a context, of an io.Reader or of an io.Writer.
func (e *Error) Unwrap() error { return e.cause }

// takeError makes a Go error of one of the library and frees that.
func takeError(failed *C.flatkv_error) error {
	if failed == nil {
		return nil
	}
	defer C.flatkv_free(unsafe.Pointer(failed))
	err := &Error{
		Code:    Code(C.flatkv_error_code(failed)),
		Message: C.GoString(C.flatkv_error_message(failed)),
		Path:    C.GoString(C.flatkv_error_path(failed)),
		text:    C.GoString(C.flatkv_error_text(failed)),
	}
	var database C.uint32_t
	if C.flatkv_error_database(failed, &database) != 0 {
		known := Database(database)
		err.Database = &known
	}
	var version C.int64_t
	if C.flatkv_error_version(failed, &version) != 0 {
		known := int64(version)
		err.Version = &known
	}
	var offset C.uint64_t
	if C.flatkv_error_offset(failed, &offset) != 0 {
		known := uint64(offset)
		err.Offset = &known
	}
	return err
}

// because adds what made the library stop.
func because(err error, cause error) error {
	if failed, is := err.(*Error); is && failed.Code == ErrCancelled && cause != nil {
		failed.cause = cause
		failed.text += ": " + cause.Error()
	}
	return err
}

// stopped is the error of a call that its context ended before the library was asked.
func stopped(ctx context.Context) error {
	cause := context.Cause(ctx)
	return &Error{Code: ErrCancelled, Message: "stopped", text: "cancelled: " + cause.Error(), cause: cause}
}

func refused(code Code, message string) error {
	return &Error{Code: code, Message: message, text: code.Error() + ": " + message}
}

var errNil = refused(ErrInvalidArgument, "nil")

var errClosed = refused(ErrInvalidArgument, "closed")

// errStoreClosed is what the library says of a store that is closed.
var errStoreClosed = refused(ErrStoreFailed, "the store is closed")

// cString is a path or a name as the library takes it.
func cString(text string) (*C.char, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, refused(ErrInvalidArgument, "a path or name with a zero byte")
	}
	return C.CString(text), nil
}

// Remedies says what could help with a store that Open or OpenReader refused: commands, the
// likeliest first. It looks at the store without changing it.
func Remedies(path string) ([]string, error) {
	name, err := cString(path)
	if err != nil {
		return nil, err
	}
	defer freeString(name)
	var buffer *C.flatkv_buffer
	if err := takeError(C.flatkv_remedies(name, &buffer)); err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(takeBuffer(buffer)), func(r rune) bool { return r == '\n' }), nil
}
