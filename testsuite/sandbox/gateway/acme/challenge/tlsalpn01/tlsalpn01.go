// SPDX-License-Identifier: Apache-2.0

// Package tlsalpn01 stands in for ACME TLS challenges, which the sandbox does not answer.
package tlsalpn01

import (
	"errors"
	"time"
)

const ACMETLS1Protocol = "acme-tls/1"

type ChallengeOption func()

func SetDelay(time.Duration) ChallengeOption { return nil }

func ChallengeBlocks(string, string) (cert, key []byte, err error) {
	return nil, nil, errors.New("ACME is not supported in the sandbox")
}
