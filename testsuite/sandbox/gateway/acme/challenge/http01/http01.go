// SPDX-License-Identifier: Apache-2.0

// Package http01 stands in for ACME HTTP challenges, which the sandbox does not answer.
package http01

import "time"

const PathPrefix = "/.well-known/acme-challenge/"

type ChallengeOption func()

func SetDelay(time.Duration) ChallengeOption { return nil }
