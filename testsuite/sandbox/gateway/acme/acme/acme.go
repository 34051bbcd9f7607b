// SPDX-License-Identifier: Apache-2.0

// Package acme stands in for ACME accounts, which the sandbox does not have.
package acme

type Account struct{}

type ExtendedAccount struct {
	Account
	Location string
}
