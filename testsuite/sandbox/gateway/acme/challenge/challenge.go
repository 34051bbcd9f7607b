// SPDX-License-Identifier: Apache-2.0

// Package challenge stands in for ACME challenges, which the sandbox does not answer.
package challenge

import "context"

type Provider interface {
	Present(ctx context.Context, domain, token, keyAuth string) error
	CleanUp(ctx context.Context, domain, token, keyAuth string) error
}
