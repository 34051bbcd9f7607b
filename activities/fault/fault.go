// SPDX-License-Identifier: Apache-2.0

// Package fault sorts errors into few kinds and turns them into Temporal's ApplicationError, once, at
// the activity boundary.
//
// An adapter returns New(kind, ...) where it knows the kind, or any other error, which counts as
// Unavailable and is retried. Nothing may wrap what [From] returned: wrapping a non-retryable
// ApplicationError makes it retryable again.
package fault

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
)

// Kind says what can be done about an error. Its text is the type of the ApplicationError.
type Kind string

// The kinds, and what to do about each.
const (
	// Invalid: the plan or the object cannot work; change it and release again.
	Invalid Kind = "Invalid"
	// NotFound: something the plan names does not exist; create it or correct the name.
	NotFound Kind = "NotFound"
	// Denied: Slipway's service account lacks a right; apply the roles in deploy/.
	Denied Kind = "Denied"
	// Fenced: a newer release or step has written since; nothing to do, the older one must not.
	Fenced Kind = "Fenced"
	// Edited: somebody else changed what the release holds; it is not overwritten.
	Edited Kind = "Edited"
	// Unavailable: a system does not answer; it is retried.
	Unavailable Kind = "Unavailable"
)

// Error is an error whose kind is known.
type Error struct {
	Kind Kind
	// After is how long to wait before the next attempt, as the system asked; 0: it said nothing.
	After time.Duration
	err   error
}

// New formats an error of a kind, as fmt.Errorf does.
func New(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, err: fmt.Errorf(format, args...)}
}

// Later formats an error of a system that asks to be left alone for a while.
func Later(after time.Duration, format string, args ...any) error {
	return &Error{Kind: Unavailable, After: after, err: fmt.Errorf(format, args...)}
}

// Error returns the message without the kind.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// Of returns the kind of err; Unavailable when nothing better is known.
func Of(err error) Kind {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Kind
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.Type() != "" {
		return Kind(app.Type())
	}
	return Unavailable
}

// Final reports whether another attempt cannot help.
func Final(err error) bool { return Of(err) != Unavailable }

// From converts err for Temporal: final kinds are not retried. Nil stays nil.
func From(err error) error {
	if err == nil {
		return nil
	}
	kind := Of(err)
	options := temporal.ApplicationErrorOptions{NonRetryable: Final(err), Cause: err}
	if f, ok := errors.AsType[*Error](err); ok {
		options.NextRetryDelay = f.After
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), string(kind), options)
}
