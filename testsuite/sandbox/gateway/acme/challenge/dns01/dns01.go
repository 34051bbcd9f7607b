// SPDX-License-Identifier: Apache-2.0

// Package dns01 stands in for ACME DNS challenges, which the sandbox does not answer.
package dns01

import (
	"strings"
	"time"
)

type (
	Options         struct{ RecursiveNameservers []string }
	Client          struct{}
	ChallengeOption func()
)

func NewClient(*Options) *Client                                     { return &Client{} }
func SetDefaultClient(*Client)                                       {}
func UnFqdn(name string) string                                      { return strings.TrimSuffix(name, ".") }
func CondOptions(bool, ...ChallengeOption) ChallengeOption           { return nil }
func DisableAuthoritativeNssPropagationRequirement() ChallengeOption { return nil }
func DisableRecursiveNSsPropagationRequirement() ChallengeOption     { return nil }
func PropagationWait(time.Duration, bool) ChallengeOption            { return nil }
