// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
)

// stopped ends the way forward for a reason that is not a fault: a verdict, a deadline, a person.
type stopped struct{ reason string }

// Error is the reason in plain words.
func (s *stopped) Error() string { return s.reason }

func stop(format string, args ...any) error { return &stopped{fmt.Sprintf(format, args...)} }

// plain is an error as a person reads it, without the layers that Temporal puts around it.
func plain(err error) string {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return app.Message()
	}
	if timeout, ok := errors.AsType[*temporal.TimeoutError](err); ok {
		if cause := timeout.Unwrap(); cause != nil {
			return "gave up: " + plain(cause)
		}
		return "gave up: no worker finished it in time"
	}
	if temporal.IsCanceledError(err) {
		return "cancelled in Temporal"
	}
	return err.Error()
}

// applicationError is the failure that a workflow or an activity has told, if it is one.
func applicationError(err error) (*temporal.ApplicationError, bool) {
	return errors.AsType[*temporal.ApplicationError](err)
}
